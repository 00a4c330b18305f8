# Writes the Parquet files of this folder with pyarrow 26.0.1: python3 make.py
import pyarrow as pa, pyarrow.parquet as pq

turn = pa.struct([("role", pa.string()), ("content", pa.string())])
schema = pa.schema([("question", pa.string()), ("answer", pa.string()), ("messages", pa.list_(turn)), ("labels", pa.list_(pa.bool_())),
                    ("completions", pa.list_(pa.string())), ("score", pa.float64()), ("n", pa.int64())])
rows = [
    dict(question="Wie viele?", answer="1+1=2\n#### 2", messages=[dict(role="user", content="q"), dict(role="assistant", content="a")],
         labels=[True, False], completions=[], score=0.5, n=None),
    dict(question="q1", answer="#### 1", messages=[], labels=[], completions=["a", "b"], score=None, n=7),
    dict(question="q2", answer=None, messages=None, labels=None, completions=None, score=None, n=None),
]
for codec in ("snappy", "zstd"):
    pq.write_table(pa.Table.from_pylist(rows, schema), codec + ".parquet", compression=codec)
