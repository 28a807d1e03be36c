"""Published parameter counts of models, with their public configurations.

The counts are those that the models' pages and papers state, noted from memory, without the network; each follows to
the digit from the configuration beside it, which is what the test checks. DeepSeek-V3's is given without the buffers
that its page counts.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A model by its public name: how flopsight names it, and its parameters."""

    name: str
    address: str
    params: int


def _llama(vocab_size: int, hidden: int, inner: int, layers: int, heads: int, kv: int, more: str = "") -> str:
    return (
        f"(vocab_size={vocab_size}, hidden_size={hidden}, intermediate_size={inner}, num_hidden_layers={layers}, "
        f"num_attention_heads={heads}, num_key_value_heads={kv}{more})"
    )


TIED = ", tie_word_embeddings=True"

PUBLISHED = [
    Published("Llama 3.1 8B", "llama" + _llama(128_256, 4096, 14_336, 32, 32, 8), 8_030_261_248),
    Published("Llama 3.1 70B", "llama" + _llama(128_256, 8192, 28_672, 80, 64, 8), 70_553_706_496),
    Published("Llama 3.1 405B", "llama" + _llama(128_256, 16_384, 53_248, 126, 128, 8), 405_853_388_800),
    Published("TinyLlama 1.1B", "llama" + _llama(32_000, 2048, 5632, 22, 32, 4), 1_100_048_384),
    Published("SmolLM2 135M", "llama" + _llama(49_152, 576, 1536, 30, 9, 3, TIED), 134_515_008),
    Published("Mistral 7B", "mistral" + _llama(32_000, 4096, 14_336, 32, 32, 8), 7_241_732_096),
    Published("Mixtral 8x7B", "mixtral" + _llama(32_000, 4096, 14_336, 32, 32, 8), 46_702_792_704),
    Published("Qwen2.5 7B", "qwen2" + _llama(152_064, 3584, 18_944, 28, 28, 4), 7_615_616_512),
    Published("Qwen3 8B", "qwen3" + _llama(151_936, 4096, 12_288, 36, 32, 8, ", head_dim=128"), 8_190_735_360),
    Published(
        "Qwen3 30B-A3B",
        "qwen3_moe"
        + _llama(151_936, 2048, 6144, 48, 32, 4, ", head_dim=128, moe_intermediate_size=768, num_experts=128"),
        30_532_122_624,
    ),
    Published("DeepSeek-V3", "deepseek_v3", 671_026_404_352),
    Published("Gemma 2 2B", "gemma2" + _llama(256_000, 2304, 9216, 26, 8, 4, ", head_dim=256"), 2_614_341_888),
    Published("Gemma 3 1B", "gemma3_text" + _llama(262_144, 1152, 6912, 26, 4, 1, ", head_dim=256"), 999_885_952),
    Published("Phi-3 mini", "phi3" + _llama(32_064, 3072, 8192, 32, 32, 32), 3_821_079_552),
    Published("GPT-2", "gpt2", 124_439_808),
    Published("GPT-2 XL", "gpt2(n_embd=1600, n_layer=48, n_head=25)", 1_557_611_200),
    Published("OPT 125M", "opt", 125_239_296),
    Published("Mamba 2.8B", "mamba(vocab_size=50280, hidden_size=2560, num_hidden_layers=64)", 2_768_345_600),
    Published("BERT base", "bert", 109_482_240),
    Published("RoBERTa base", "roberta(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)", 124_645_632),
    Published("DistilBERT base", "distilbert", 66_362_880),
    Published("T5 small", "t5", 60_506_624),
    Published(
        "Whisper large-v3",
        "whisper(vocab_size=51866, num_mel_bins=128, d_model=1280, encoder_layers=32, decoder_layers=32, "
        "encoder_attention_heads=20, decoder_attention_heads=20, encoder_ffn_dim=5120, decoder_ffn_dim=5120)",
        1_543_490_560,
    ),
    Published(
        "CLIP ViT-L/14",
        "clip(projection_dim=768, text_config={'hidden_size': 768, 'intermediate_size': 3072, "
        "'num_attention_heads': 12}, vision_config={'hidden_size': 1024, 'intermediate_size': 4096, "
        "'num_hidden_layers': 24, 'num_attention_heads': 16, 'patch_size': 14})",
        427_616_513,
    ),
    Published("ViT-B/16", "ViTForImageClassification(num_labels=1000)", 86_567_656),
    Published("ResNet-50", "ResNetForImageClassification(num_labels=1000)", 25_557_032),
]
