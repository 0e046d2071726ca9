"""Hooks of state_dict and load_state_dict, and extra states: in PyTorch's order, with what it gives them."""

import copy

import numpy as np
import pytest

import loopnest
from loopnest import nn


def net(lib):
    """Three levels: "", "0", "1", "1.0"."""
    n = lib.nn
    return n.Sequential(n.Linear(2, 2), n.Sequential(n.Linear(2, 1)))


def described(value):
    """What a hook was called with, without what differs between two libraries by nature."""
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, tuple) and hasattr(value, "missing_keys"):
        return [list(value.missing_keys), list(value.unexpected_keys)]
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if key == "assign_to_params_buffers"} or list(
            value
        )
    if isinstance(value, list):
        return list(value)
    return type(value).__name__


def noted(seen, name):
    def hook(*args):
        seen.append((name, *(described(a) for a in args)))

    return hook


def test_hooks_of_state_dict_as_torch(torch):
    found = []
    for lib in (loopnest, torch):
        model, seen = net(lib), []
        for path, module in model.named_modules():
            module.register_state_dict_pre_hook(noted(seen, f"before {path}"))
            module.register_state_dict_post_hook(noted(seen, f"after {path}"))
        handle = model[0].register_state_dict_pre_hook(noted(seen, "removed"))
        handle.remove()
        model.register_state_dict_post_hook(lambda m, state, prefix, _: state.update(more=1))
        state = model.state_dict(prefix="net.", keep_vars=True)
        found.append((seen, list(state)))
    assert found[0] == found[1] and len(found[0][0]) == 8


def test_hooks_see_versions_as_in_torch(torch):
    found = []
    for lib in (loopnest, torch):
        layer, seen = lib.nn.Linear(1, 1), []
        model = lib.nn.Sequential(layer)
        layer.register_state_dict_post_hook(lambda m, s, p, metadata, seen=seen: seen.append(dict(metadata)))
        layer.register_load_state_dict_pre_hook(lambda m, s, p, meta, *_, seen=seen: seen.append(dict(meta)))
        model.load_state_dict(model.state_dict())
        model.load_state_dict(model.state_dict(), assign=True)
        model.load_state_dict(dict(model.state_dict()))
        found.append(seen)
    assert found[0] == found[1] and found[0][1] == {"version": 1} and found[0][-1] == {}


def test_hooks_of_load_state_dict_as_torch(torch):
    found = []
    for lib in (loopnest, torch):
        model, seen = net(lib), []
        state = {"0.weight": lib.ones(2, 2), "0.wrong": lib.ones(1), "1.0.weight": lib.ones(1, 2)}
        state |= {"2.weight": lib.ones(1)}
        before = model[0].weight.tolist()
        for path, module in model.named_modules():
            module.register_load_state_dict_pre_hook(noted(seen, f"before {path}"))
            module.register_load_state_dict_post_hook(noted(seen, f"after {path}"))

        def loaded(module, keys, seen=seen, before=before):
            seen.append((module.weight.tolist() == before, module.weight.tolist()))

        model[0].register_load_state_dict_post_hook(loaded)
        keys = model.load_state_dict(state, strict=False)
        # Here all hooks for before run before anything is loaded, so that a fault leaves all as it was.
        seen.sort(key=lambda call: not str(call[0]).startswith("before"))
        found.append((seen, described(keys), sorted(state)))
    assert found[0] == found[1] and len(found[0][0]) == 9
    assert found[0][1] == [["0.bias", "1.0.bias"], ["2.weight", "0.wrong"]]


def test_a_hook_renames_for_its_own_module_only(torch):
    for lib in (loopnest, torch):
        model = lib.nn.Sequential(lib.nn.Linear(2, 1), lib.nn.Linear(2, 1))
        state = model.state_dict()
        given = {key.replace("weight", "w"): value for key, value in state.items()}

        def renamed(module, state, prefix, metadata, strict, missing, unexpected, messages):
            state[prefix + "weight"] = state.pop(prefix + "w")
            state.pop("1.w", None)  # another module's: nothing happens

        model[0].register_load_state_dict_pre_hook(renamed)
        keys = model.load_state_dict(given, strict=False)
        assert keys.missing_keys == ["1.weight"] and keys.unexpected_keys == ["1.w"] and "0.w" in given
        with pytest.raises(RuntimeError, match=r"Missing key.*1\.weight"):
            model.load_state_dict(given)


def test_a_hook_before_adds_messages(torch):
    for lib in (loopnest, torch):
        layer = lib.nn.Linear(2, 1)
        layer.register_load_state_dict_pre_hook(lambda *args: args[-1].append("too old"))
        with pytest.raises(RuntimeError, match="too old"):
            layer.load_state_dict(layer.state_dict(), strict=False)


def test_a_hook_afterwards_forgives_and_complains(torch):
    for lib in (loopnest, torch):
        model = lib.nn.Sequential(lib.nn.Linear(2, 1), lib.nn.Linear(2, 1))
        handle = model[0].register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
        state = {"1.weight": lib.ones(1, 2), "1.bias": lib.ones(1)}
        assert model.load_state_dict(state).missing_keys == []
        with pytest.raises(RuntimeError, match=r"1\.bias"):  # it forgives what was missing by then
            model.load_state_dict({"1.weight": lib.zeros(1, 2)})
        assert model[1].weight.tolist() == [[0.0, 0.0]]
        handle.remove()
        model.register_load_state_dict_post_hook(lambda m, keys: keys.unexpected_keys.append("mine"))
        with pytest.raises(RuntimeError, match=r"Unexpected key.*mine"):
            model.load_state_dict(model.state_dict())


def test_nothing_changes_where_names_are_wrong_and_nobody_forgives():
    layer = nn.Linear(2, 1)
    before = layer.weight.tolist()
    with pytest.raises(ValueError, match="'bias'"):
        layer.load_state_dict({"weight": np.ones((1, 2))})
    assert layer.weight.tolist() == before


def test_hooks_that_give_something():
    layer = nn.Linear(2, 1)
    with (
        layer.register_state_dict_post_hook(lambda *_: {}),
        pytest.raises(TypeError, match="Linear, got dict"),
    ):
        layer.state_dict()
    with (
        layer.register_load_state_dict_post_hook(lambda *_: 1),
        pytest.raises(TypeError, match="Linear, got 1"),
    ):
        layer.load_state_dict(layer.state_dict())
    for kind in ("state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post"):
        with pytest.raises(TypeError, match="callable"):
            getattr(layer, f"register_{kind}_hook")(None)


def counter(lib):
    class Counter(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.count = lib.nn.Parameter(lib.ones(1)), 3
            self.inner = lib.nn.Linear(1, 1)

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]
            self.seen = self.weight.item()

    return Counter()


def test_extra_states_as_torch(torch):
    found = []
    for lib in (loopnest, torch):
        model = lib.nn.Sequential(counter(lib))
        state = copy.copy(model.state_dict())
        state["0._extra_state"], state["0.weight"] = {"count": 5}, lib.zeros(1)
        model.load_state_dict(state)
        assert model[0].count == 5 and model[0].seen == 0.0
        names = list(state)
        del state["0._extra_state"]
        missing = model.load_state_dict(state, strict=False)
        with pytest.raises(RuntimeError, match=r"Missing key.*0\._extra_state"):
            model.load_state_dict(state)
        plain = lib.nn.Linear(1, 1)
        extra = plain.load_state_dict({**plain.state_dict(), "_extra_state": 1}, strict=False)
        found.append((names, described(missing), described(extra)))
        with pytest.raises(RuntimeError):
            plain.get_extra_state()
        with pytest.raises(RuntimeError):
            plain.set_extra_state(1)
    assert found[0] == found[1] and "0._extra_state" in found[0][0]


def test_a_childs_own_state_dict_is_asked(torch):
    """A class that tells its state in its own way does so as a child, too."""
    for lib in (loopnest, torch):

        class Own(lib.nn.Linear):
            def state_dict(self, *args, destination, prefix, keep_vars):
                destination[prefix + "mine"] = 1
                return destination

        assert list(lib.nn.Sequential(Own(1, 1)).state_dict()) == ["0.mine"]


def test_set_submodule_as_torch(torch):
    for lib in (loopnest, torch):
        n = lib.nn
        model = n.Sequential(n.Linear(2, 3), n.Sequential(n.ReLU()))
        tanh = n.Tanh()
        model.set_submodule("1.0", tanh, strict=True)
        model.set_submodule("1.next", n.Linear(3, 1))
        model.set_submodule("0", n.Linear(2, 3, bias=False))
        assert model[1][0] is tanh and list(model.state_dict()) == [
            "0.weight",
            "1.next.weight",
            "1.next.bias",
        ]
        for error, target, module, strict in (
            (ValueError, "", tanh, False),
            (ValueError, "0", None, False),
            (AttributeError, "2", tanh, True),
            (AttributeError, "2.0", tanh, False),
            (AttributeError, "0.weight", tanh, False),
        ):
            with pytest.raises(error):
                model.set_submodule(target, module, strict)
