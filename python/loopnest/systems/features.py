"""A CNN turns images into features that any other model can use (C6).

    loopnest run features --data DIR

classify's LeNet-5 is trained, its last layer taken off, and what is left feeds scikit-learn's classifiers,
which see only a hundred labels, once as raw pixels and once as features. DIR is that of classify. The images
whose labels the classifiers see are not among those that the CNN learned from.
"""

from __future__ import annotations

import numpy as np

import loopnest
from loopnest import nn, optim
from loopnest.data import DataLoader, TensorDataset
from loopnest.extras import require
from loopnest.systems import classify, pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row

MODEL = "lenet5"
NEEDS = BASE | {"sklearn": "data"}


def run(options: Options) -> Result:
    images, classes = classify.load(options)
    few = options.few(len(images.x_train), 1100)
    pool = min(1000, few // 2)  # labels for scikit-learn are drawn from here; the CNN never sees these images
    x, y = classify.inputs(images.x_train[:few]), images.y_train[:few]
    xt, yt = classify.inputs(images.x_test), images.y_test
    loopnest.manual_seed(options.seed)
    model = classify.lenet5(len(classes))
    trainer = options.trainer(MODEL, model, optim.Adam(model.parameters(), 1e-3), classify.loss_of)
    loader = DataLoader(TensorDataset(x[pool:], y[pool:]), batch_size=64, shuffle=True)
    trainer.fit(loader, options.few(10, 3), resume=options.resume)
    options.keep(MODEL, model.eval(), classes=classes)
    body = nn.Sequential(*list(model)[:-1])  # everything but the last Linear: 84 features

    def features(part):
        return classify.scores(body.eval(), part)

    rows, counts = [], (20, 100, 500)
    seen: dict[str, dict[int, float]] = {}
    for kind, make in classifiers().items():
        for source, learn, test in (
            ("features", features(x[:pool]), features(xt)),
            ("pixels", x[:pool].reshape(pool, -1), xt.reshape(len(xt), -1)),
        ):
            name = f"{kind} on {source}"
            seen[name] = {}
            for count in counts:
                scores = [
                    make().fit(learn[some], y[:pool][some]).score(test, yt)
                    for some in draws(y[:pool], count, options.few(5, 2), options.seed)
                ]
                seen[name][count] = float(np.mean(scores))
            figures = {f"labels{count}": seen[name][count] for count in counts}
            rows.append(Row(name, figures, baseline=source == "pixels"))
    gain = rows[0].figures["labels100"] - rows[1].figures["labels100"]
    return Result(
        name="features",
        title="A CNN's features, handed to other models",
        about=f"LeNet-5 learned from {len(y) - pool:,} images; its 84 last hidden numbers are the features. "
        f"The other models saw 20, 100 or 500 labels of {pool:,} further images (mean of several draws with "
        f"every class in it), and are measured on {len(yt):,} held-back ones.",
        rows=rows,
        columns={f"labels{count}": (f"{count} labels", ".1%") for count in counts},
        say="With 100 labels, logistic regression on the CNN's features names "
        f"{rows[0].figures['labels100']:.1%} of the held-back images rightly, on raw pixels "
        f"{rows[1].figures['labels100']:.1%}: {100 * abs(gain):.1f} points {'more' if gain > 0 else 'less'}.",
        pictures=[
            Picture(
                "labels",
                "Few labels go far",
                "Accuracy against the number of labels: solid on the CNN's features, dashed on raw pixels.",
                against_labels(seen),
            ),
            Picture(
                "map",
                "What the CNN keeps apart",
                "500 held-back images by the two main directions (PCA) of the features, and of the raw "
                "pixels.",
                maps(
                    features(xt[:500]),
                    xt[:500].reshape(500, -1) if len(xt) >= 500 else xt.reshape(len(xt), -1),
                    yt[:500],
                ),
            ),
        ],
        history={"LeNet-5": trainer.history},
    )


def classifiers():
    """scikit-learn's models by name: functions that make a new one."""
    linear = require("sklearn.linear_model", "data")
    near = require("sklearn.neighbors", "data")
    svm = require("sklearn.svm", "data")
    pipeline, scale = require("sklearn.pipeline", "data"), require("sklearn.preprocessing", "data")

    def scaled(model):
        return pipeline.make_pipeline(scale.StandardScaler(), model)

    return {
        "logistic regression": lambda: scaled(linear.LogisticRegression(max_iter=1000)),
        "3 nearest neighbours": lambda: near.KNeighborsClassifier(3),
        "support vectors (RBF)": lambda: scaled(svm.SVC()),
    }


def draws(labels: np.ndarray, count: int, times: int, seed: int):
    """`times` draws of `count` indices, as even over the classes as they come."""
    for k in range(times):
        rng = np.random.default_rng([seed, count, k])
        order = rng.permutation(len(labels))
        rank = np.empty(len(labels), np.int64)
        for value in np.unique(labels):
            mine = order[labels[order] == value]
            rank[mine] = np.arange(len(mine))
        yield order[np.argsort(rank[order], kind="stable")][:count]


def against_labels(seen: dict[str, dict[int, float]]):
    figure, ax = pictures.new(9.4, 3.8)
    for place, (name, points) in enumerate(seen.items()):
        style = {"color": pictures.SERIES[place // 2], "ls": "-" if place % 2 == 0 else (0, (3, 2))}
        ax.plot(list(points), list(points.values()), marker="o", lw=1.8, label=name, **style)
    ax.set(xscale="log", xlabel="labels", title="accuracy on held-back images")
    ax.set_xticks(list(points), [str(k) for k in points])
    ax.set_xticks([], minor=True)
    ax.grid(True, axis="y")
    ax.legend(frameon=False, fontsize=8.5)
    return figure


def maps(features: np.ndarray, pixels: np.ndarray, labels: np.ndarray):
    figure, axes = pictures.new(9.4, 4.4, 1, 2)
    for ax, values, title in zip(axes, (features, pixels), ("the CNN's features", "raw pixels"), strict=True):
        centred = values - values.mean(0)
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        at = centred @ directions[:2].T
        for value in np.unique(labels):
            mine = at[labels[: len(at)] == value]
            ax.scatter(*mine.T, s=9, alpha=0.75, label=str(value))
        ax.set(title=title, xticks=[], yticks=[])
    axes[1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
