import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_python_blocks_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(README), "exec"), {})
    log_likelihood, sigma = map(float, capsys.readouterr().out.split())
    # 64 pixels with probability 0.3 each: the entropy is 39.1 nats, the best anyone can
    # do; models of 500 such points come within a few nats of it.
    assert -45 < log_likelihood < -37
    assert sigma >= 0
