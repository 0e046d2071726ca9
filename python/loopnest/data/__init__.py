"""Data sets, loaders and vocabularies. Nothing is read or imported before it is asked for.

    from loopnest.data import DataLoader, TensorDataset, mnist

    images = mnist("path/to/data")
    loader = DataLoader(TensorDataset(images.x_train, images.y_train), batch_size=64, shuffle=True)

Public sets are found in the folder that their argument `data` or LOOPNEST_DATA names: see loopnest.data.sets.
"""

from loopnest.data.audio import Spoken, log_mel, mu_law, read_wav, spoken_digits
from loopnest.data.collate import default_collate, pad_collate
from loopnest.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from loopnest.data.digits import Digits, digits
from loopnest.data.images import Cells, Film, Images, image_folder, mnist, nuclei, radar, read_idx, read_image
from loopnest.data.loader import DataLoader, Drawn, get_worker_info
from loopnest.data.sampler import (
    BatchSampler,
    BucketBatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from loopnest.data.series import Rolls, Series, chorales, read_series, series
from loopnest.data.sets import DataMissing
from loopnest.data.text import (
    BytePairs,
    Pairs,
    Sentences,
    Vocabulary,
    mr,
    multi30k,
    names,
    sentences,
    shakespeare,
    sst2,
    trec,
    tweets,
)

__all__ = [
    "BatchSampler",
    "BucketBatchSampler",
    "BytePairs",
    "Cells",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "DataMissing",
    "Dataset",
    "Digits",
    "Drawn",
    "Film",
    "Images",
    "IterableDataset",
    "Pairs",
    "RandomSampler",
    "Rolls",
    "Sampler",
    "Sentences",
    "SequentialSampler",
    "Series",
    "Spoken",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "Vocabulary",
    "WeightedRandomSampler",
    "chorales",
    "default_collate",
    "digits",
    "get_worker_info",
    "image_folder",
    "log_mel",
    "mnist",
    "mr",
    "mu_law",
    "multi30k",
    "names",
    "nuclei",
    "pad_collate",
    "radar",
    "random_split",
    "read_idx",
    "read_image",
    "read_series",
    "read_wav",
    "sentences",
    "series",
    "shakespeare",
    "spoken_digits",
    "sst2",
    "trec",
    "tweets",
]
