"""The Python side of //tools/tests:dataset_formats_test.

  dataset_formats.py make WORK_DIR
  dataset_formats.py check WORK_DIR TOKENIZER_DIR

`make` writes the same rows in every form and format of a dataset: WORK_DIR/KIND/NAME, and
WORK_DIR/KIND/FLAGS/NAME where a command needs a flag for it. `check` holds the token
artifact beside each (NAME.safetensors) to what transformers gives for the rows: ids of
texts and of token ids, ids and labels of conversations under the llama3 template. Needs
transformers and safetensors; tables are written by Python's csv module.
"""

import csv
import gzip
import io
import json
import pathlib
import sys

import safetensors.torch
import torch
import transformers

import tokens_interop

TEXTS = [
    "Once upon a time there was a fox.",
    'She said "no", then\nleft, quickly.',
    "Zoë näher 東京 🙂",
    "tab\tand  two   spaces",
]
CHATS = [
    [("user", "Hi"), ("assistant", "Hello there.")],
    [("user", "Say\nit"), ("assistant", "It."), ("user", "Again"), ("assistant", "It!")],
]
PAIRS = [("Hi", "", "Hello there."), ("Say", "it", "It.")]
IDS = [[5, 6, 7, 8], [9, 10]]


def _lines(rows: list) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _table(texts: list[str], **dialect) -> str:
    out = io.StringIO()
    writer = csv.writer(out, **dialect)
    writer.writerow(["id", "text"])
    writer.writerows(enumerate(texts))
    return out.getvalue()


def _texts() -> dict[str, str | bytes]:
    rows = [{"text": text} for text in TEXTS]
    empty = [{"text": ""}]
    return {
        "lines.jsonl": _lines(rows),
        "array.json": json.dumps(rows),
        "pretty.json": json.dumps(rows, indent=2, ensure_ascii=False),
        "array.json.gz": gzip.compress(json.dumps(rows).encode()),
        "bom.jsonl": "\ufeff" + _lines(rows).replace("\n", "\r\n"),
        "empty_rows.jsonl": _lines(empty + rows[:2] + empty + rows[2:]),
        "table.csv": _table(TEXTS),
        "unix.csv": _table(TEXTS, lineterminator="\n", quoting=csv.QUOTE_ALL),
        "table.tsv": _table(TEXTS, delimiter="\t"),
        "lines_named.txt": _lines(rows),
        "--text_column=story/field.jsonl": _lines(
            [{"story": text, "text": "x", "output": "y"} for text in TEXTS]),
        "--text_column=story/column.csv": _table(TEXTS).replace("text", "story", 1),
        "--split_documents=blank_line/paragraphs.txt": "\n\n" + "\n \n\n".join(TEXTS),
    }


def _chats() -> dict[str, str | bytes]:
    gpt = {"user": "human", "assistant": "gpt"}
    parts = [[{"type": "text", "text": t[:2]}, {"type": "text", "text": t[2:]}]
             for chat in CHATS for _, t in chat]
    messages = [[{"role": r, "content": t} for r, t in chat] for chat in CHATS]
    share_gpt = [[{"from": gpt[r], "value": t} for r, t in chat] for chat in CHATS]
    mixed = [[{"from": r, "value": t} for r, t in chat] for chat in CHATS]
    split = [[{"role": r, "content": parts.pop(0)} for r, _ in chat] for chat in CHATS]
    return {
        "messages.jsonl": _lines([{"messages": m} for m in messages]),
        "array.json": json.dumps([{"conversations": c} for c in share_gpt], indent=1),
        "user_assistant.jsonl": _lines([{"conversations": c} for c in mixed]),
        "dialog.jsonl": _lines([{"dialog": m} for m in messages]),
        "parts.jsonl": _lines([{"messages": m} for m in split]),
        "prompt_turns.jsonl": _lines(
            [{"prompt": m[:-1], "completion": m[-1:]} for m in messages]),
    }


def _pairs() -> dict[str, str | bytes]:
    return {
        "alpaca.json": json.dumps(
            [{"instruction": a, "input": b, "output": c} for a, b, c in PAIRS]),
        "dolly.jsonl": _lines(
            [{"instruction": f"{a}\n{b}" if b else a, "response": c} for a, b, c in PAIRS]),
        "prompts.jsonl": _lines(
            [{"prompt": f"{a}\n{b}" if b else a, "completion": c} for a, b, c in PAIRS]),
    }


def _ids() -> dict[str, str | bytes]:
    padded = [{"input_ids": [3] + ids + [3, 3], "labels": [-100] + ids + [-100, -100],
               "attention_mask": [0] + [1] * len(ids) + [0, 0]} for ids in IDS]
    return {
        "plain.jsonl": _lines([{"input_ids": ids} for ids in IDS]),
        "padded.jsonl": _lines(padded),
    }


KINDS = {"texts": _texts, "chats": _chats, "pairs": _pairs, "ids": _ids}


def make(work: pathlib.Path) -> None:
    """Writes all files."""
    for kind, files in KINDS.items():
        for name, contents in files().items():
            path = work / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = contents if isinstance(contents, bytes) else contents.encode("utf-8")
            path.write_bytes(data)


def _chat_ids(tokenizer, chat: list[tuple[str, str]]) -> tuple[list[int], list[int]]:
    messages = [{"role": role, "content": text} for role, text in chat]
    encoded = tokenizer.apply_chat_template(
        messages, chat_template=tokens_interop._TEMPLATES["llama3"], return_dict=True,
        return_assistant_tokens_mask=True)
    ids = encoded["input_ids"]
    mask = encoded["assistant_masks"]
    return ids, [i if m else -100 for i, m in zip(ids, mask)]


def wanted(kind: str, tokenizer) -> tuple[list[int], list[int]]:
    """Ids and labels of all rows, one after another."""
    if kind == "texts":
        rows = [(ids, ids) for ids in (tokenizer(text).input_ids for text in TEXTS)]
    elif kind == "ids":
        rows = [(ids, ids) for ids in IDS]
    elif kind == "chats":
        rows = [_chat_ids(tokenizer, chat) for chat in CHATS]
    else:
        rows = [_chat_ids(tokenizer, [("user", f"{a}\n{b}" if b else a), ("assistant", c)])
                for a, b, c in PAIRS]
    return [i for ids, _ in rows for i in ids], [x for _, labels in rows for x in labels]


def check(work: pathlib.Path, directory: str) -> int:
    """The number of artifacts that differ."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    failures = 0
    for kind in KINDS:
        ids, labels = wanted(kind, tokenizer)
        found = sorted((work / kind).rglob("*.safetensors"))
        assert len(found) == len(KINDS[kind]()), f"{kind}: {len(found)} artifacts"
        for path in found:
            tensors = safetensors.torch.load_file(path)
            same = torch.equal(tensors["input_ids"].long(), torch.tensor(ids)) and torch.equal(
                tensors["labels"].long(), torch.tensor(labels))
            print(f"{path.relative_to(work)}: {'equal' if same else 'DIFFERS'}")
            failures += not same
    return failures


def main() -> int:
    work = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(work)
        return 0
    return 1 if check(work, sys.argv[3]) else 0


if __name__ == "__main__":
    sys.exit(main())
