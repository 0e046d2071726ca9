"""L-BFGS: torch's steps, with and without a line search; its history moves both ways."""

import numpy as np
import pytest

import loopnest
from loopnest import nn, optim, tensor

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(6, 6))
START = RNG.normal(size=6)


def problem(library, optimizer, make, **options):
    """(parameters, optimizer, closure, how often it was called): not convex, of two parameters."""
    params = [library.nn.Parameter(make(a)) for a in (START[:4].reshape(2, 2).copy(), START[4:].copy())]
    lbfgs = optimizer.LBFGS(params, **options)
    m, calls = make(MATRIX.copy()), []

    def closure():
        lbfgs.zero_grad()
        calls.append(1)
        x = library.cat([p.reshape(-1) for p in params])
        y = m @ x
        loss = (y * y).sum() + (x * 2).sin().sum()
        loss.backward()
        return loss

    return params, lbfgs, closure, calls


OPTIONS = {
    "plain": {"lr": 0.1, "max_iter": 8},
    "short history": {"lr": 0.5, "max_iter": 10, "history_size": 2},
    "one": {"max_iter": 1},
    "wolfe": {"line_search_fn": "strong_wolfe", "max_iter": 9},
    "wolfe few": {"line_search_fn": "strong_wolfe", "max_iter": 9, "max_eval": 6, "lr": 0.3},
    "tolerances": {"line_search_fn": "strong_wolfe", "tolerance_grad": 0.5, "tolerance_change": 1e-3},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_as_torch(name):
    torch = pytest.importorskip("torch")
    found = []
    for library, optimizer, make in ((loopnest, optim, tensor), (torch, torch.optim, torch.tensor)):
        params, lbfgs, closure, calls = problem(library, optimizer, make, **OPTIONS[name])
        losses = [lbfgs.step(closure).item() for _ in range(3)]
        found.append((losses, len(calls), [p.detach().numpy().copy() for p in params], lbfgs.state_dict()))
    (losses, calls, params, state), (losses2, calls2, params2, state2) = found
    np.testing.assert_allclose(losses, losses2, rtol=1e-7, atol=1e-9)
    assert calls == calls2
    for p, q in zip(params, params2, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-6, atol=1e-8)
    assert state["state"][0].keys() >= {"func_evals", "n_iter", "old_dirs", "old_stps", "prev_flat_grad"}
    for key in ("func_evals", "n_iter"):
        assert state["state"][0][key] == state2["state"][0][key]


@pytest.mark.parametrize("name", ["plain", "wolfe"])
def test_it_goes_on_from_its_state_and_from_torchs(name):
    torch = pytest.importorskip("torch")
    for library, optimizer, make in ((loopnest, optim, tensor), (torch, torch.optim, torch.tensor)):
        params, lbfgs, closure, _ = problem(library, optimizer, make, **OPTIONS[name])
        lbfgs.step(closure)
        mine, again, closure2, _ = problem(loopnest, optim, tensor)
        again.load_state_dict(lbfgs.state_dict())
        for p, q in zip(mine, params, strict=True):
            p.data.copy_(tensor(q.detach().numpy().copy()))
        lbfgs.step(closure)
        again.step(closure2)
        for p, q in zip(mine, params, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_it_finds_rosenbrocks_minimum():
    p = nn.Parameter(np.array([-1.2, 1.0]))
    lbfgs = optim.LBFGS([p], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        lbfgs.zero_grad()
        loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
        loss.backward()
        return loss

    lbfgs.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), [1, 1], atol=1e-4)


def test_what_has_no_gradient_stays():
    p, q = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(3))
    lbfgs = optim.LBFGS([p, q], lr=0.1)

    def closure():
        lbfgs.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert lbfgs.step(closure).item() == 2
    assert q.tolist() == [1, 1, 1] and (p.detach().abs() < 1).all()


def test_mistakes_are_told():
    p = nn.Parameter(np.ones(2))
    for options in ({"lr": 0}, {"max_iter": 0}, {"history_size": 0}, {"line_search_fn": "armijo"}):
        with pytest.raises(ValueError, match="expected"):
            optim.LBFGS([p], **options)
    with pytest.raises(ValueError, match="one group"):
        optim.LBFGS([{"params": [p]}, {"params": [nn.Parameter(np.ones(1))]}])
    with pytest.raises(TypeError, match="one dtype"):
        optim.LBFGS([p, nn.Parameter(np.ones(1, np.float32))])
    with pytest.raises(TypeError, match="closure"):
        optim.LBFGS([p]).step()
    state = {"state": {0: {"d": np.ones(3)}}, "param_groups": optim.LBFGS([p]).state_dict()["param_groups"]}
    with pytest.raises(ValueError, match="shape"):
        optim.LBFGS([p]).load_state_dict(state)
