"""Makes the tokenizers of this folder and what Hugging Face's tokenizers 0.23.2 gives for the texts below.

Run in this folder: python make.py. Trained on this file's own words, so the vocabularies are tiny.
"""
import json
import pathlib

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
WORDS = [
    "Once upon a time there was a little otter who lived by the river with her brother.",
    "The otter and the brother went up the hill to look at the moon; the moon was round and bright.",
    "\"Is it 12 or 120 stars?\" she asked. He'd counted 120, and they're all still there!",
    "Übermut tut selten gut, é è ê, naïve café, 東京 の 空, привет мир.",
] * 8
TEXTS = [
    "Once upon a time", "the otter's 1234 stars", "  two spaces,\nand a line\ttab", "naïve café 東京 😀", "",
    " leading", "trailing ", "<|end|>the<|end|>", "ÜBERMUT", "a" * 600,
]


def byte_bpe():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<|end|>"], show_progress=False)
    t.train_from_iterator(WORDS, trainer)
    return t


def sp_bpe():
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)],
        show_progress=False)
    t.train_from_iterator(WORDS, trainer)
    raw = json.loads(t.to_str())
    raw["added_tokens"] = [a for a in raw["added_tokens"] if not a["content"].startswith("<0x")]
    t = Tokenizer.from_str(json.dumps(raw))
    t.add_special_tokens(["<|end|>"])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, unk_token="<unk>", special_tokens=["<unk>", "</s>", "<|end|>"],
                                      show_progress=False)
    t.train_from_iterator(WORDS, trainer)
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return t


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]", "[CLS]", "[SEP]", "<|end|>"],
                                        show_progress=False)
    t.train_from_iterator(WORDS, trainer)
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return t


for make in (byte_bpe, sp_bpe, unigram, wordpiece):
    folder = HERE / make.__name__.replace("_", "-")
    folder.mkdir(exist_ok=True)
    t = make()
    (folder / "tokenizer.json").write_text(t.to_str())
    cases = [{
        "text": text,
        "ids": t.encode(text, add_special_tokens=False).ids,
        "special_ids": t.encode(text, add_special_tokens=True).ids,
        "decoded": t.decode(t.encode(text, add_special_tokens=False).ids, skip_special_tokens=True),
    } for text in TEXTS]
    (folder / "expected.json").write_text(json.dumps(cases, ensure_ascii=False))
    print(folder.name, t.get_vocab_size(), [len(c["ids"]) for c in cases])
