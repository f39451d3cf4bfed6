"""A function of JAX on secrets: the same code as in the clear, with loops of public bounds."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import symbolon as sb

generator = np.random.default_rng(5)
trained = {"hidden": generator.normal(0, 0.5, (4, 6)), "out": generator.normal(0, 0.5, (6, 3)), "bias": np.ones(3) / 4}
rows = generator.normal(0, 1, (5, 4)).clip(-3, 3)


@jax.jit
def predict(weights: dict[str, Any], x: Any) -> dict[str, Any]:
    """A small network, and the row that is the most like the mean of all."""
    hidden = jax.nn.silu(x @ weights["hidden"])

    def refine(state: Any, _: Any) -> tuple[Any, Any]:
        state = 0.5 * state + jnp.maximum(hidden @ weights["out"] + weights["bias"], 0.1 * state)
        return state, state.sum()

    scores, history = jax.lax.scan(refine, jnp.zeros((5, 3)), None, length=3)
    distances = jnp.sum((x - x.mean(axis=0)) ** 2, axis=1)
    label = jnp.where(scores[:, 0] > 0.5, 0, jnp.argmax(scores, axis=1))
    powers = jax.lax.fori_loop(0, 3, lambda turn, value: value * 0.5 + turn, x[::2, 1:])
    return {
        "probabilities": jax.nn.softmax(scores, axis=1),
        "label": label,
        "nearest": jnp.argmin(distances),
        "history": history,
        "powers": jnp.concatenate([powers, powers[:, :1]], axis=1).T,
    }


with sb.local("replicated") as world:
    weights = {name: world.secret(array, owner=1, bound=4) for name, array in trained.items()}
    shown = world.reveal(sb.jax.private(predict)(weights, world.secret(rows, owner=0, bound=4)), to=0)
    print(world.report)

plain = predict(trained, rows)
for name, value in shown.items():
    error = np.abs(value - np.asarray(plain[name])).max()
    print(f"{name}: largest error against JAX {error:.1e}")
    assert error < 5e-3
