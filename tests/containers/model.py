"""Writes a tiny language model of random weights, the same one every time, as GGUF: model.py FILE.

It says gibberish, and says it by the same code as a large one: tokens in, tokens out. Its words are the bytes.
"""

import sys

import gguf
import numpy

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 512

# Three control tokens, a token for each byte, and one for each character that can be printed, so that the answer is text.
printable = [" " if byte == 32 else chr(byte) for byte in range(32, 127)]
tokens = ["<unk>", "<s>", "</s>"]
kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
scores = [0.0, 0.0, 0.0]
tokens += [f"<0x{byte:02X}>" for byte in range(256)]
kinds += [gguf.TokenType.BYTE] * 256
scores += [-10000.0] * 256
# SentencePiece writes the space as U+2581.
tokens += [character.replace(" ", "\u2581") for character in printable]
kinds += [gguf.TokenType.NORMAL] * len(printable)
scores += [-float(rank) for rank in range(len(printable))]

random = numpy.random.default_rng(0)
writer = gguf.GGUFWriter(sys.argv[1], "llama")
writer.add_name("tiny-random")
writer.add_context_length(CONTEXT)
writer.add_embedding_length(WIDTH)
writer.add_block_count(LAYERS)
writer.add_feed_forward_length(INNER)
writer.add_head_count(HEADS)
writer.add_head_count_kv(HEADS)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_dimension_count(WIDTH // HEADS)
writer.add_vocab_size(len(tokens))
writer.add_file_type(gguf.LlamaFileType.ALL_F32)
writer.add_tokenizer_model("llama")
writer.add_token_list(tokens)
writer.add_token_scores(scores)
writer.add_token_types(kinds)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_unk_token_id(0)
writer.add_add_bos_token(True)
writer.add_chat_template(
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"
)


def weights(name, *shape):
    writer.add_tensor(f"{name}.weight", (random.standard_normal(shape) * 0.08).astype(numpy.float32))


def ones(name):
    writer.add_tensor(f"{name}.weight", numpy.ones(WIDTH, dtype=numpy.float32))


weights("token_embd", len(tokens), WIDTH)
for layer in range(LAYERS):
    block = f"blk.{layer}"
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights(f"{block}.{part}", WIDTH, WIDTH)
    weights(f"{block}.ffn_gate", INNER, WIDTH)
    weights(f"{block}.ffn_up", INNER, WIDTH)
    weights(f"{block}.ffn_down", WIDTH, INNER)
    ones(f"{block}.attn_norm")
    ones(f"{block}.ffn_norm")
ones("output_norm")
weights("output", len(tokens), WIDTH)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
