"""Writes small tokenizers and what the reference (pip install tokenizers==0.23.3) makes of awkward text with them:
cases.json, a list of {name, tokenizer (a tokenizer.json), rows: [{text, ids, decoded, skipped}]}.
Usage: make.py > cases.json"""
import json
from tokenizers import Tokenizer, models, pre_tokenizers as P, decoders as D, normalizers as N, trainers, AddedToken, Regex

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = QWEN.replace(r'|\p{N}|', r'|\p{N}{1,3}|')
CORPUS = ["The baker sold 120 loaves on Monday and 75 on Tuesday. How many did he sell?", "He sold 120 + 75 = <<120+75=195>>195 loaves.\n#### 195",
          "they're don't we'll I'm the there then other", "naïve café Straße déjà vu", "x = (a+b)*c; if x > 10: return x\n\n    y -= 1"] * 3
TEXTS = ["", " ", "\n", "The baker sold 12 loaves.", "  two  spaces ", "they're THEY'RE 'ſ 'K 's'S", "1234567 ½²Ⅷ٣ \U00010D40\U00011DE0", "a\r\n\r\n  b\n", "\u00a0nbsp\u2003em\u3000x",
         "\U0001F642\u200dx", "cafe\u0301 café", "İstanbul ΑΣ ẞ", "ﬁ ² Å 한국어 \u1100\u1161\u11a8", "a" + "\u0301\u0323" * 20 + "b", "foo_bar-baz--qux,,(x)", "don't<|end|> <|end|>now", "ab xab ab_ ab",
         "x  <l>  <r>  y <lr> z", "<r>  <r>  b", "<|end|><|end|", "日本 \ufffd \x00", "#### 72", "the" * 40, "a\tb c\x85d", "\u0903\u0303x", "ŁÓDŹ <L> straße"]

def trained(pre, normalizer=None, decoder=None, **kw):
    t = Tokenizer(models.BPE(**kw)); t.pre_tokenizer = pre; t.decoder = decoder or D.ByteLevel()
    if normalizer: t.normalizer = normalizer
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=330, show_progress=False, initial_alphabet=P.ByteLevel.alphabet(), special_tokens=['<|end|>'],
        **{k: kw[k] for k in ('continuing_subword_prefix', 'end_of_word_suffix') if k in kw}))
    return t
bl = lambda r=True, p=False: P.ByteLevel(add_prefix_space=p, use_regex=r)
def split(rx, how, invert=False): return P.Sequence([P.Split(rx, how, invert), bl(False)])
def added(t):
    t.add_tokens([AddedToken('ab', single_word=True), AddedToken('<l>', lstrip=True), AddedToken('<r>', rstrip=True, normalized=False),
                  AddedToken('<lr>', lstrip=True, rstrip=True), AddedToken('  ', normalized=False), AddedToken('STRASSE', normalized=True), AddedToken('ŁÓDŹ', normalized=True)]); return t
def change(t, **kw):
    d = json.loads(t.to_str()); d['model'].update(kw); return Tokenizer.from_str(json.dumps(d))

cases = {'byte-level': trained(bl()), 'prefix space': trained(bl(p=True)), 'smollm': trained(P.Sequence([P.Digits(individual_digits=True), bl()])),
         'digits, prefix space': trained(P.Sequence([P.Digits(individual_digits=False), bl(p=True)])),
         'qwen': trained(split(Regex(QWEN), 'isolated'), N.NFC()), 'llama': trained(split(Regex(LLAMA), 'isolated')), 'llama, ignore_merges': None,
         'qwen, inverted': trained(split(Regex(QWEN), 'removed', True)), 'qwen, merged': trained(split(Regex(QWEN), 'merged_with_next')), 'qwen, contiguous': trained(split(Regex(QWEN), 'contiguous')),
         'added': added(trained(bl())), 'added, lowercase': added(trained(bl(), N.Sequence([N.NFD(), N.Lowercase()]))),
         'NFKC': trained(bl(), N.NFKC()), 'NFKD': trained(bl(), N.NFKD()), 'no pre-tokenizer': trained(bl()), 'ByteLevel before Split': trained(P.Sequence([bl(False), P.Split('Ġ', 'merged_with_next')]))}
cases['llama, ignore_merges'] = change(cases['llama'], ignore_merges=True)
cases['no pre-tokenizer'].pre_tokenizer = bl(False)
for how in ('isolated', 'removed', 'merged_with_previous', 'merged_with_next', 'contiguous'):
    for name, rx in (('space', ' '), ('regex', Regex(r'[\w,]+|\W')), ('lines', Regex(r'^.|o$'))):
        cases[f'{name} {how}'] = trained(split(rx, how, name == 'space' and how == 'isolated'))
chars = trained(P.Whitespace(), decoder=D.Fuse())
cases['characters'] = chars
cases['characters, unknown'] = change(chars, unk_token='<|end|>'); cases['characters, unknown fused'] = change(chars, unk_token='<|end|>', fuse_unk=True)
fallback = json.loads(chars.to_str()); n = len(fallback['model']['vocab'])
for b in range(256):
    if b != 0xCC: fallback['model']['vocab']['<0x%02X>' % b] = n; n += 1
fallback['model'].update(byte_fallback=True, unk_token='<|end|>'); cases['byte fallback'] = Tokenizer.from_str(json.dumps(fallback))
cases['prefix and suffix'] = trained(P.WhitespaceSplit(), decoder=D.Fuse(), continuing_subword_prefix='##', end_of_word_suffix='</w>')
missing = json.loads(cases['byte-level'].to_str()); used = {x for m in missing['model']['merges'] for p in m for x in p}
drop = [c for c in P.ByteLevel.alphabet() if c not in used][:60]; vocab = [k for k, _ in sorted(missing['model']['vocab'].items(), key=lambda x: x[1]) if k not in drop]
missing['model']['vocab'] = {k: i for i, k in enumerate(vocab)}; cases['bytes missing'] = Tokenizer.from_str(json.dumps(missing))
missing['model'].update(byte_fallback=True, unk_token='<|end|>'); cases['bytes missing, unknown'] = Tokenizer.from_str(json.dumps(missing))
word = Tokenizer(models.WordLevel({w: i for i, w in enumerate(['[UNK]', 'the', 'The', 'baker', '12', '.', 'b', 'x', 'Ġsold'])}, unk_token='[UNK]'))
for name, pre in (('words', P.Whitespace()), ('words, white space', P.WhitespaceSplit()), ('words, byte-level', bl())):
    w = Tokenizer.from_str(word.to_str()); w.pre_tokenizer = pre; w.add_special_tokens(['<|end|>']); cases[name] = w

out = []
for name, t in cases.items():
    rows = [dict(text=s, ids=(i := t.encode(s, add_special_tokens=False).ids), decoded=t.decode(i, skip_special_tokens=False), skipped=t.decode(i)) for s in TEXTS]
    rows += [dict(text=None, ids=(i := [k * 7 % t.get_vocab_size() for k in range(60)] + [100000]), decoded=t.decode(i, skip_special_tokens=False), skipped=t.decode(i))]
    out.append(dict(name=name, tokenizer=json.loads(t.to_str()), rows=rows))
print('[\n' + ',\n'.join(json.dumps(o) for o in out) + '\n]')
