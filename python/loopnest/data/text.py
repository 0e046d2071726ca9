"""Texts: tokens, vocabularies, and the public sets of sentences."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from loopnest.data.sets import decoded, find, lines
from loopnest.extras import require

Where = str | os.PathLike[str] | None
PAD, UNKNOWN, START, END = "<pad>", "<unk>", "<s>", "</s>"


def words(sentence: str) -> list[str]:
    """Lower-case words and punctuation marks, English clitics split off (as in Kim 2014).

    Example:
      >>> from loopnest.data.text import words
      >>> words("It's fun, isn't it?")
      ['it', "'s", 'fun', ',', 'is', "n't", 'it', '?']
    """
    kept = re.sub(r"[^\w(),!?'`@#]", " ", sentence)
    split = re.sub(r"('s|'ve|n't|'re|'d|'ll|[,!?()])", r" \1 ", kept)
    return split.lower().split()


def word_tokens(sentence: str) -> list[str]:
    """Lower-case runs of letters and digits of any language, and every other mark by itself.

    Example:
      >>> from loopnest.data.text import word_tokens
      >>> word_tokens("Zwei Hunde, draußen.")
      ['zwei', 'hunde', ',', 'draußen', '.']
    """
    return re.findall(r"\w+|[^\w\s]", sentence.lower())


class Vocabulary:
    """Which token has which number. Unknown tokens get the number of "<unk>", if there is one.

    Args:
      tokens: all tokens, their number is their place.

    Raises ValueError for a token that occurs twice.

    Example:
      >>> from loopnest.data import Vocabulary
      >>> vocab = Vocabulary.of_words([["a", "dog"], ["a", "cat"]])
      >>> vocab.encode(["a", "cow"]).tolist(), vocab.decode([2])
      ([2, 1], ['a'])
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self.index = {token: k for k, token in enumerate(self.tokens)}
        if len(self.index) != len(self.tokens):
            twice = next(t for t, n in Counter(self.tokens).items() if n > 1)
            raise ValueError(f"Vocabulary: expected every token once, got {twice!r} twice")

    @classmethod
    def of_characters(cls, text: str) -> Vocabulary:
        """Every character that occurs, in the order of their code points.

        Example:
          >>> from loopnest.data import Vocabulary
          >>> Vocabulary.of_characters("banana").tokens
          ['a', 'b', 'n']
        """
        return cls(sorted(set(text)))

    @classmethod
    def of_words(
        cls,
        sentences: Iterable[Sequence[str]],
        minimum: int = 1,
        special: Sequence[str] = (PAD, UNKNOWN),
        size: int | None = None,
    ) -> Vocabulary:
        """The special tokens, then every word that occurs at least `minimum` times, the most frequent first
        (ties by alphabet), at most `size` tokens in all.

        Example:
          >>> from loopnest.data import Vocabulary
          >>> Vocabulary.of_words([["a", "dog"], ["a", "cat"]]).tokens
          ['<pad>', '<unk>', 'a', 'cat', 'dog']
        """
        count = Counter(word for sentence in sentences for word in sentence)
        kept = [w for w, n in count.items() if n >= minimum and w not in special]
        kept.sort(key=lambda w: (-count[w], w))
        return cls([*special, *kept][:size])

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self.index

    def __getitem__(self, token: str) -> int:
        number = self.index.get(token, self.index.get(UNKNOWN))
        if number is None:
            raise KeyError(
                f"{token!r} is not in this vocabulary of {len(self)} tokens, which has no {UNKNOWN}"
            )
        return number

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Tokens (a string: its characters) to int64 numbers (t,). Raises KeyError for an unknown token where
        the vocabulary has no "<unk>"."""
        return np.array([self[token] for token in tokens], np.int64)

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Numbers back to tokens."""
        return [self.tokens[int(k)] for k in numbers]


class BytePairs:
    """Byte-pair encoding (Sennrich, Haddow, Birch 2016) by the library `tokenizers` (extra `data`).

    Args:
      texts: what it learns its pairs from.
      size: how many tokens at most.

    Example:
      >>> from loopnest.data import BytePairs
      >>> pairs = BytePairs(["low lower lowest"] * 9, size=300)
      >>> pairs.decode(pairs.encode("lower"))
      'lower'
    """

    def __init__(
        self, texts: Iterable[str], size: int = 8000, special: Sequence[str] = (PAD, UNKNOWN)
    ) -> None:
        library = require("tokenizers", "data")
        self._tokenizer = library.Tokenizer(library.models.BPE(unk_token=UNKNOWN))
        self._tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(special),
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        self._tokenizer.train_from_iterator(texts, trainer)

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str) -> np.ndarray:
        """Text to int64 numbers (t,)."""
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """Numbers back to text."""
        return self._tokenizer.decode([int(k) for k in numbers])


class Sentences(NamedTuple):
    """Labelled sentences, split: lists of (text, label), and the labels' names.

    Example:
      >>> from loopnest.data import Sentences
      >>> Sentences([("good", 1)], [], [("bad", 0)], ["negative", "positive"]).classes[1]
      'positive'
    """

    train: list[tuple[str, int]]
    dev: list[tuple[str, int]]
    test: list[tuple[str, int]]
    classes: list[str]


def _tenths(rows: list[tuple[str, int]], classes: list[str]) -> Sentences:
    """Rows 0, 10, 20 ... for testing, rows 1, 11, 21 ... for choosing, the rest for training."""
    return Sentences([r for k, r in enumerate(rows) if k % 10 > 1], rows[1::10], rows[0::10], classes)


def _labelled(path: Path, encoding: str) -> list[tuple[str, int]]:
    """Lines "label sentence"."""
    rows = []
    for number, line in enumerate(lines(path, encoding), 1):
        label, _, text = line.partition(" ")
        if line.strip() and not (label.isdecimal() and text):
            raise ValueError(f"{path}, line {number}: expected a label and a sentence, got {line[:60]!r}")
        if line.strip():
            rows.append((text, int(label)))
    return rows


def mr(data: Where = None) -> Sentences:
    """Sentences of film reviews, negative or positive (Pang, Lee 2005): 10,662, every tenth held back.

    Example:
      >>> from loopnest import data
      >>> data.mr().classes  # doctest: +SKIP
      ['negative', 'positive']
    """
    rows = [
        (text, label)
        for label, part in enumerate(("neg", "pos"))
        for text in lines(find(f"rt-polarity.{part}.gz", data), "latin-1")
        if text.strip()
    ]
    return _tenths(rows, ["negative", "positive"])


def sst2(data: Where = None) -> Sentences:
    """Stanford Sentiment Treebank, two classes, whole sentences (Socher et al. 2013), its own split.

    Example:
      >>> from loopnest import data
      >>> data.sst2().classes  # doctest: +SKIP
      ['negative', 'positive']
    """
    train, dev, test = (
        _labelled(find(f"stsa.binary.{part}.gz", data), "utf-8") for part in ("train", "dev", "test")
    )
    return Sentences(train, dev, test, ["negative", "positive"])


def trec(data: Where = None) -> Sentences:
    """Questions by the kind of their answer (Li, Roth 2002), its own test part; a tenth of the rest: dev.

    Example:
      >>> from loopnest import data
      >>> data.trec().classes[:2]  # doctest: +SKIP
      ['description', 'entity']
    """
    rows = _labelled(find("TREC.train.all.gz", data), "latin-1")
    test = _labelled(find("TREC.test.all.gz", data), "latin-1")
    names = ["description", "entity", "abbreviation", "human", "location", "number"]
    return Sentences([r for k, r in enumerate(rows) if k % 10], rows[0::10], test, names)


def tweets(data: Where = None) -> Sentences:
    """Tweets to six US airlines (CrowdFlower): negative, neutral or positive; every tenth held back.

    Example:
      >>> from loopnest import data
      >>> data.tweets("path/to/data").classes  # doctest: +SKIP
      ['negative', 'neutral', 'positive']
    """
    classes = ["negative", "neutral", "positive"]
    path, rows = find("airline_tweets_even.tsv.gz", data), []
    for number, line in enumerate(lines(path), 1):
        label, _, text = line.partition("\t")
        if line.strip() and label not in classes:
            raise ValueError(
                f"{path}, line {number}: expected {', '.join(classes)} and a tab, got {line[:60]!r}"
            )
        if line.strip():
            rows.append((text, classes.index(label)))
    return _tenths(rows, classes)


def sentences(path: str | os.PathLike[str]) -> Sentences:
    """Labelled sentences of one's own: a text file with a line "label<TAB>sentence" each, UTF-8.

    Labels may be any words; every tenth line is held back for testing, every tenth for choosing.

    Raises ValueError for a line without a tab, and for fewer than 2 labels or 20 lines.

    Example:
      >>> import tempfile
      >>> from loopnest.data import sentences
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write(b"good\\tI like it\\nbad\\tI do not\\n" * 10)
      ...     file.flush()
      ...     found = sentences(file.name)
      >>> len(found.train), found.classes
      (16, ['bad', 'good'])
    """
    pairs = []
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        label, tab, text = line.partition("\t")
        if not tab:
            raise ValueError(f"{path}, line {number}: expected label<TAB>sentence, got {line[:60]!r}")
        pairs.append((text, label.strip()))
    classes = sorted({label for _, label in pairs})
    if len(classes) < 2 or len(pairs) < 20:
        raise ValueError(
            f"{path}: expected at least 2 labels and 20 sentences, got {len(classes)} and {len(pairs)}"
        )
    return _tenths([(text, classes.index(label)) for text, label in pairs], classes)


def plain(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """A text file of one's own (or its .gz), whole. Raises ValueError for bytes that are not `encoding`.

    Example:
      >>> import tempfile
      >>> from loopnest.data.text import plain
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write(b"a text")
      ...     file.flush()
      ...     plain(file.name)
      'a text'
    """
    return decoded(path, encoding).removeprefix("\ufeff")


def shakespeare(data: Where = None) -> str:
    """1,115,394 characters of Shakespeare's plays, as in char-rnn (Karpathy 2015).

    Example:
      >>> from loopnest import data
      >>> data.shakespeare()[:13]  # doctest: +SKIP
      'First Citizen'
    """
    return plain(find("tinyshakespeare.txt.gz", data))


def names(data: Where = None) -> list[str]:
    """32,033 first names (US Social Security Administration).

    Example:
      >>> from loopnest import data
      >>> len(data.names())  # doctest: +SKIP
      32033
    """
    return [name for name in lines(find("names.txt.gz", data)) if name]


class Pairs(NamedTuple):
    """Sentence pairs (source, target), split.

    Example:
      >>> from loopnest.data import Pairs
      >>> Pairs([("ein Hund", "a dog")], [], []).train[0][1]
      'a dog'
    """

    train: list[tuple[str, str]]
    dev: list[tuple[str, str]]
    test: list[tuple[str, str]]


def multi30k(data: Where = None, source: str = "de", target: str = "en") -> Pairs:
    """Captions in German and English (Elliott et al. 2016): 12,000 pairs to train on, val, test2016.

    Example:
      >>> from loopnest import data
      >>> len(data.multi30k("path/to/data").train)  # doctest: +SKIP
      12000
    """

    def part(name: str) -> list[tuple[str, str]]:
        both = [lines(find(f"multi30k.{name}.{language}.gz", data)) for language in (source, target)]
        if len(both[0]) != len(both[1]):
            raise ValueError(
                f"multi30k.{name}: {len(both[0])} lines against {len(both[1])}: they do not pair"
            )
        return list(zip(both[0], both[1], strict=True))

    return Pairs(part("train12k"), part("val"), part("test2016"))
