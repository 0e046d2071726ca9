"""Hooks of optimizers: called when, and with what, PyTorch calls them."""

import copy
import pickle

import numpy as np
import pytest

import loopnest
from loopnest import nn, optim

KINDS = ["SGD", "Adam", "NAdam", "LBFGS"]  # a kernel, a kernel with state, by NumPy, a step of its own


def made(lib, kind, lr=0.25):
    p = lib.nn.Parameter(lib.tensor([1.0, 2.0]))
    return p, getattr(lib.optim, kind)([p], lr=lr)


def closure_of(p, opt):
    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    return closure


def seen_by_step(lib, kind):
    """What hooks of a step saw, in the order in which they were called."""
    p, opt = made(lib, kind)
    closure, seen = closure_of(p, opt), []

    def note(name):
        return lambda o, args, kwargs: seen.append(
            (name, o is opt, args[0] is opt, len(args), list(kwargs), p.tolist() == [1.0, 2.0])
        )

    opt.register_step_post_hook(note("post"))
    opt.register_step_pre_hook(note("pre"))
    handle = opt.register_step_pre_hook(note("second"))
    loss = opt.step(closure)
    opt.step(closure=closure)
    handle.remove()
    opt.step(closure)
    return seen, loss.item()


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_a_step_as_torch(torch, kind):
    ours, theirs = seen_by_step(loopnest, kind), seen_by_step(torch, kind)
    assert ours == theirs and [name for name, *_ in ours[0][:3]] == ["pre", "second", "post"]


def test_a_hook_replaces_what_the_step_is_called_with(torch):
    found = []
    for lib in (loopnest, torch):
        p, opt = made(lib, "SGD")
        closure, seen = closure_of(p, opt), []
        opt.register_step_pre_hook(lambda o, args, kwargs, c=closure: ((o, c), {}))
        opt.register_step_post_hook(lambda o, args, kwargs, s=seen: s.append(len(args)))
        found.append((opt.step().item(), p.tolist(), seen))
    assert found[0] == found[1] == (5.0, [0.5, 1.0], [2])


def test_a_hook_that_gives_something_else():
    _, opt = made(loopnest, "SGD")
    with (
        opt.register_step_pre_hook(lambda *_: "wrong"),
        pytest.raises(TypeError, match=r"\(args, kwargs\).*'wrong'"),
    ):
        opt.step()
    opt.step()
    with pytest.raises(TypeError, match="callable"):
        opt.register_step_post_hook(None)


def test_a_step_of_ones_own_has_hooks():
    class Mine(optim.Optimizer):
        def step(self):
            return "mine"

    opt, seen = Mine([nn.Parameter(np.ones(2))], {"lr": 1, "weight_decay": 0, "maximize": False}), []
    opt.register_step_post_hook(lambda *_: seen.append(1))
    assert opt.step() == "mine" and seen == [1]


def test_an_optimizer_without_hooks_steps_by_its_class():
    _, opt = made(loopnest, "Adam")
    assert opt.step.__func__ is optim.Optimizer.step


@pytest.mark.parametrize("again", [copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_has_no_hooks(torch, again):
    for lib in (loopnest, torch):
        p, opt = made(lib, "SGD")
        opt.register_step_pre_hook(abs)  # TypeError if it is called
        opt.register_state_dict_pre_hook(abs)
        twin = again(opt)
        twin.step()
        twin.state_dict()
        twin.register_step_post_hook(print).remove()
        with pytest.raises(TypeError):
            opt.step()
        assert p.tolist() == [1.0, 2.0]


def seen_by_state(lib, kind):
    """What hooks of state_dict and load_state_dict saw and made, in the order of their calls."""
    p, opt = made(lib, kind)
    opt.step(closure_of(p, opt))
    seen = []

    def after(name):
        return lambda o, state: seen.append((name, o is opt, sorted(state)))

    opt.register_state_dict_post_hook(after("post"))
    opt.register_state_dict_post_hook(after("post, first"), prepend=True)
    opt.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    opt.register_state_dict_post_hook(after("post, last"))
    opt.register_state_dict_pre_hook(lambda o: seen.append("pre"))
    opt.register_state_dict_pre_hook(lambda o: seen.append("pre, first"), prepend=True)
    state = opt.state_dict()
    opt.register_load_state_dict_pre_hook(after("load"))
    opt.register_load_state_dict_pre_hook(lambda o, given: given["inner"])
    opt.register_load_state_dict_pre_hook(after("load, last"))
    opt.register_load_state_dict_pre_hook(lambda o, given: given.update(added=1), prepend=True)
    opt.register_load_state_dict_post_hook(lambda o: seen.append(("loaded", o.param_groups[0]["lr"])))
    opt.register_load_state_dict_post_hook(lambda o: seen.append("first"), prepend=True)
    state["param_groups"][0]["lr"] = 0.125
    outer = {"inner": state}
    opt.load_state_dict(outer)
    return seen, sorted(outer)


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_the_state_as_torch(torch, kind):
    ours, theirs = seen_by_state(loopnest, kind), seen_by_state(torch, kind)
    assert ours == theirs and len(ours[0]) == 9
