"""What can be known of training on GPUs and TPUs without one."""
