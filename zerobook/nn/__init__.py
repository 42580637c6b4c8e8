# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Layers, the modules that hold them, and their initial weights."""

from zerobook.nn.module import Module, ModuleList, Parameter, Sequential
from zerobook.nn.module import ModuleDict
from zerobook.nn.linear import Dropout, Embedding, Flatten, LayerNorm, Linear
from zerobook.nn.linear import GELU, Identity, ReLU, Sigmoid, SiLU, Tanh
from zerobook.nn.conv import AvgPool2d, Conv2d, ConvTranspose2d, MaxPool2d
from zerobook.nn.conv import Conv1d
from zerobook.nn.normalization import BatchNorm1d, BatchNorm2d
from zerobook.nn.normalization import GroupNorm
from zerobook.nn.recurrent import RNN
from zerobook.nn.recurrent import LSTM
from zerobook.nn.recurrent import GRU
from zerobook.nn.attention import MultiheadAttention
from zerobook.nn.transformer import PositionalEncoding
from zerobook.nn.transformer import TransformerDecoder
from zerobook.nn.transformer import TransformerDecoderLayer
from zerobook.nn.transformer import TransformerEncoder
from zerobook.nn.transformer import TransformerEncoderLayer
from zerobook.nn.modern import GroupedQueryAttention, ModernBlock
from zerobook.nn.modern import RMSNorm, SwiGLU
from zerobook.nn.linear import mlp
from zerobook.nn.conditional import ConditionalMLP
