"""The equations of arXiv:2512.11415 in plain NumPy, by loops over states.

Written from the paper, not from the library: slow, clear, double precision. Equation
numbers are the paper's. At the end, the statistics and helpers that the tests share.
"""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np

from nelc_jax import Binary, Model, OneHot, Parameters

KINDS = ("sigmoid", "softmax", "binary")
"""The latent spaces that every formula is tested on."""

SPACES = (*KINDS, "sampled")
"""The same, and a binary one that is declared too large to enumerate."""


@dataclasses.dataclass(frozen=True)
class System:
    """A model: `kind` is "sigmoid" or "softmax" (one-hot latents) or "binary"."""

    kind: str
    w: np.ndarray
    a: np.ndarray
    w_bar: np.ndarray
    a_bar: np.ndarray
    x_mean: np.ndarray
    enumerate_up_to: int = 256

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)


def random_system(kind, num_visible=5, num_units=3, seed=5):
    """Weights of size about 2: no conditional is degenerate, and the chain has memory.

    With this seed |lambda_2| is 0.2 to 0.33, and kernels that are wrong by a sign, a
    transposition or the centring move p(x) and p_bar by many per cent.
    """
    rng = np.random.default_rng(seed)
    return System(
        "binary" if kind == "sampled" else kind,
        w=2 * rng.standard_normal((num_visible, num_units)),
        a=0.5 * rng.standard_normal(num_visible),
        w_bar=2 * rng.standard_normal((num_units, num_visible)),
        a_bar=0.5 * rng.standard_normal(num_units),
        x_mean=rng.uniform(0.1, 0.9, num_visible),
        enumerate_up_to=1 if kind == "sampled" else 256,
    )


def bit_rows(n):
    """All rows of n bits; row k holds the binary digits of k, lowest first."""
    return np.array([[k >> i & 1 for i in range(n)] for k in range(2**n)], float)


def codes(bits):
    """The rows of `bit_rows` that hold the given bits."""
    bits = np.asarray(bits, int)
    return bits @ 2 ** np.arange(bits.shape[-1])


def latent_states(system):
    num_units = len(system.a_bar)
    return bit_rows(num_units) if system.kind == "binary" else np.eye(num_units)


def latent_codes(system, z):
    """The rows of `latent_states` that hold the given states."""
    return codes(z) if system.kind == "binary" else np.argmax(z, axis=-1)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def field(system, x):
    """The exponent of eq. 9 per unit, x centred (above eq. 17)."""
    return system.w_bar @ (x - system.x_mean) + system.a_bar


def forward_matrix(system):
    """A[z, x], eq. 8 with its normalisation summed over all visible states."""
    visible = bit_rows(len(system.a))
    rows = []
    for z in latent_states(system):
        weight = np.array([np.exp(x @ (system.w @ z + system.a)) for x in visible])
        rows.append(weight / weight.sum())
    return np.array(rows)


def backward_probabilities(system, x):
    """A_bar[x, :] of one x: eq. 19, or eq. 9 summed over the allowed states."""
    h = field(system, x)
    if system.kind == "sigmoid":
        weight = np.array([1 / (1 + np.exp(-h_b)) for h_b in h])
    else:
        weight = np.array([np.exp(z @ h) for z in latent_states(system)])
    return weight / weight.sum()


def backward_matrix(system):
    return np.array(
        [backward_probabilities(system, x) for x in bit_rows(len(system.a))]
    )


def latent_kernel(system):
    """M[z', z], eq. 3."""
    A, A_bar = forward_matrix(system), backward_matrix(system)
    M = np.zeros((len(A), len(A)))
    for start, end in itertools.product(range(len(A)), repeat=2):
        for x in range(A.shape[1]):
            M[start, end] += A[start, x] * A_bar[x, end]
    return M


def stationary(kernel):
    """The left eigenvector of eigenvalue 1."""
    values, vectors = np.linalg.eig(kernel.T)
    vector = np.real(vectors[:, np.argmin(abs(values - 1))])
    return vector / vector.sum()


def latent_law(system):
    """p_bar(z), eq. 6."""
    return stationary(latent_kernel(system))


def visible_law(system):
    """p(x), the eigenvector of the visible double step (above eq. 12)."""
    return stationary(backward_matrix(system) @ forward_matrix(system))


def log_likelihood(system, data):
    """Eq. 7, in nats a data point."""
    p = visible_law(system)
    return np.mean([np.log(p[k]) for k in codes(data)])


def score(system, x, z, reading):
    """z - mu of eq. 13c-d: mu from eq. 15 ("paper"), or d ln p(z|x) / dh ("exact")."""
    h = field(system, x)
    if reading == "paper":
        return z - sigmoid(h)
    states, probabilities = latent_states(system), backward_probabilities(system, x)
    centred = z - sum(p * state for p, state in zip(probabilities, states, strict=True))
    # ln p_one(b) = ln sigmoid(h_b) - ln sum_c sigmoid(h_c), and sigmoid' / sigmoid =
    # 1 - sigmoid.
    return (1 - sigmoid(h)) * centred if system.kind == "sigmoid" else centred


def two_step_gradient(system, data, reading):
    """Eq. 16a, 16b, 17, 16d with all averages over the exact laws.

    Returns w, a, w_bar, a_bar; eq. 20 fixes a in one-hot systems, its gradient is 0.
    """
    states, visible = latent_states(system), bit_rows(len(system.a))
    A, A_bar = forward_matrix(system), backward_matrix(system)
    p_bar, p = latent_law(system), visible_law(system)
    steps = [
        (p_bar[k], p[i] * A_bar[i], x, k, z)
        for (k, z), (i, x) in itertools.product(enumerate(states), enumerate(visible))
    ]
    total = [0.0] * 4
    for m in codes(data):
        evidence = sum(p_bar[k] * A[k, m] for k in range(len(states)))
        for k, z in enumerate(states):
            mu = sum(A[k, i] * x for i, x in enumerate(visible))
            _add_forward(total, p_bar[k] * A[k, m] / evidence, visible[m] - mu, z)
        for _, joint, x, k, z in steps:
            weight = joint[k] * A[k, m] / evidence
            _add_backward(
                total, weight, score(system, x, z, reading), x - system.x_mean
            )
    return _mean(system, total, len(data))


def trajectory_gradient(system, x, z, data, reading):
    """The same with all averages over the steps of a trajectory (eq. 18)."""
    visible, A = bit_rows(len(system.a)), forward_matrix(system)
    visits, x, z = latent_codes(system, z), np.asarray(x, float), np.asarray(z, float)
    total = [0.0] * 4
    for m in codes(data):
        evidence = np.mean([A[k, m] for k in visits])
        for k, x_t, z_t in zip(visits, x, z, strict=True):
            weight = A[k, m] / evidence / len(visits)
            mu = sigmoid(system.w @ z_t + system.a)
            _add_forward(total, weight, visible[m] - mu, z_t)
            _add_backward(
                total, weight, score(system, x_t, z_t, reading), x_t - system.x_mean
            )
    return _mean(system, total, len(data))


def _add_forward(total, weight, residual, z):
    total[0] += weight * np.outer(residual, z)
    total[1] += weight * residual


def _add_backward(total, weight, score_t, centred):
    total[2] += weight * np.outer(score_t, centred)
    total[3] += weight * score_t


def _mean(system, total, num_points):
    w, a, w_bar, a_bar = (t / num_points for t in total)
    return w, a if system.kind == "binary" else 0 * a, w_bar, a_bar


def currents(M, p):
    """Net fluxes p(z') M[z', z] - p(z) M[z, z']."""
    pairs = itertools.product(range(len(p)), repeat=2)
    net = [p[i] * M[i, j] - p[j] * M[j, i] for i, j in pairs]
    return np.reshape(net, M.shape)


def entropy_production(M, p):
    """Eq. 21, for positive fluxes."""
    total = 0.0
    for end in range(len(p)):
        for start in range(end):
            there, back = p[start] * M[start, end], p[end] * M[end, start]
            total += (there - back) * np.log(there / back)
    return total


def best_mixture(data, num_components, seed=0, num_restarts=10, num_iterations=200):
    """The best log-likelihood of a mixture of Bernoulli products, by EM."""
    rng = np.random.default_rng(seed)
    x = np.asarray(data, float)
    best = -np.inf
    for _ in range(num_restarts):
        share = np.full(num_components, 1 / num_components)
        mean = rng.uniform(0.2, 0.8, (num_components, x.shape[1]))
        for _ in range(num_iterations):
            mean = np.clip(mean, 1e-12, 1 - 1e-12)
            log_joint = x @ np.log(mean.T) + (1 - x) @ np.log1p(-mean.T) + np.log(share)
            joint = np.exp(log_joint)
            responsibility = joint / joint.sum(1, keepdims=True)
            share = np.maximum(responsibility.mean(0), 1e-300)
            mean = responsibility.T @ x / (x.shape[0] * share[:, None])
        best = max(best, np.mean(np.log(joint.sum(1))))
    return best


def random_stochastic(size, seed, concentration=1.0):
    """A row-stochastic matrix with independent Dirichlet rows."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(size, concentration), size)


def to_model(system):
    """The library's model of the system, in the working precision."""
    num_units = len(system.a_bar)
    if system.kind == "binary":
        space = Binary(num_units, system.enumerate_up_to)
    else:
        space = OneHot(num_units, system.kind)
    w, a, w_bar, a_bar, x_mean = (
        jnp.asarray(p, float)
        for p in (system.w, system.a, system.w_bar, system.a_bar, system.x_mean)
    )
    return Model(Parameters(w, a, w_bar, a_bar), x_mean, space)


def leaves(parameters):
    """The arrays w, a, w_bar, a_bar of a `Parameters`."""
    p = parameters
    return tuple(map(np.asarray, (p.w, p.a, p.w_bar, p.a_bar)))


def flat(arrays):
    return np.concatenate([np.ravel(p) for p in arrays])


def histogram(states, num_states):
    return np.bincount(np.ravel(states), minlength=num_states)


def follows(counts, law):
    """Whether counts of independent draws are those of the law, by total variation.

    A right sampler's scatters by a few per cent about its mean; twice that is many
    standard deviations away for all cases here.
    """
    num_samples = counts.sum()
    distance = 0.5 * np.sum(abs(counts / num_samples - law))
    # The mean modulus of a normal variable is sqrt(2 / pi) standard deviations.
    mean = 0.5 * np.sum(np.sqrt(2 / np.pi * law * (1 - law) / num_samples))
    return distance < 2 * mean


def log_log_slope(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]
