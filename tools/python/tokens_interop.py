"""The Python side of //tools/tests:tokens_interop_test.

  tokens_interop.py cases FILE     writes the conversations that are compared, as
                                   JSON lines
  tokens_interop.py check KIND TOKENIZER_DIR LINES ARTIFACT
                                   opens the token artifact that `llama_moe tokenize
                                   --keep_system` made of LINES, with the safetensors
                                   package, and compares it line by line with
                                   apply_chat_template of transformers: ids, and the
                                   assistant's tokens as its {% generation %} blocks
                                   mark them
  tokens_interop.py golden FILE TOKENIZER_ROOT
                                   writes what transformers gives for the cases, for
                                   machines without Python
  tokens_interop.py stories_digest TESTDATA
                                   prints the digest that stories_test.cc pins

KIND is llama3 or chatml. Needs transformers, jinja2 and safetensors.
"""

import hashlib
import json
import pathlib
import struct
import sys

import philox_reference

# The templates of Llama 3 Instruct (texts trimmed) and of SmolLM2 Instruct without
# its default system turn, with the tokens of the assistant marked.
_TEMPLATES = {
    "llama3": (
        "{{ bos_token }}"
        "{% for message in messages %}"
        "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
        "{% if message['role'] == 'assistant' %}"
        "{% generation %}{{ message['content'] | trim + '<|eot_id|>' }}{% endgeneration %}"
        "{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}"
        "{% endfor %}"
    ),
    "chatml": (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{% if message['role'] == 'assistant' %}"
        "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
        "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
        "{{ '\n' }}"
        "{% endfor %}"
    ),
}

_GOLDEN_TOKENIZERS = {"llama3": "llama3_style", "chatml": "smollm2_style"}

_TEXTS = [
    "Hello, world!",
    "It's 12345 o'clock; don't panic.",
    "a\n\nb\n \n  c\n",
    "tab\tand  two   three    spaces",
    "Zoë näher 東京 Привет مرحبا हिन्दी 🙂👩‍👩‍👧‍👦 e\u0301",
    "def f(x):\n    return {x: [1, 2.5e-3]}  # done\n",
    "",
    "x",
    "(parenthesis first",
    "'s quote first",
    "1 digit first",
    "ends with blanks   ",
    "ends with a line break\n",
    " one blank first",
    "a<|eot_id|>b<|im_end|>c<|im_start|>d",
    "\u200bzero width\ufeff",
]


# What str.strip() takes, and what lies around it. They stand at the ends of the
# user's texts, which have no labels.
_WHITESPACE_AND_NEIGHBOURS = (
    list(range(1, 0x100))
    + list(range(0x1FF8, 0x2070))
    + [0x1680, 0x180E, 0x3000, 0xFEFF]
)
_WHITESPACE = [c for c in _WHITESPACE_AND_NEIGHBOURS if chr(c).isspace()]


def _cases(few: bool = False) -> list[list[dict[str, str]]]:
    """The conversations, as messages; for a file that is kept, fewer of them."""
    cases = []
    for i, text in enumerate(_TEXTS):
        answer = _TEXTS[(i + 5) % len(_TEXTS)]
        cases.append(
            [
                {"role": "user", "content": text},
                {"role": "assistant", "content": answer},
            ]
        )
    cases.append(
        [{"role": "system", "content": "Be kind."}]
        + [
            {"role": role, "content": f"{role} {i}\n\n{_TEXTS[i]}"}
            for i in range(3)
            for role in ("user", "assistant")
        ]
    )
    cases.append(
        [
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "One"},
            {"role": "user", "content": "\n\nTwo"},
            {"role": "assistant", "content": "Both?"},
            {"role": "user", "content": "Yes"},
        ]
    )
    for code in _WHITESPACE_AND_NEIGHBOURS if not few else _WHITESPACE:
        content = f"{chr(code)}a{chr(code)}"
        cases.append(
            [
                {"role": "user", "content": content},
                {"role": "assistant", "content": f"U+{code:04X}"},
            ]
        )
    return cases


def _load(kind: str, directory: str):
    import transformers

    path = pathlib.Path(directory)
    config = json.loads((path / "tokenizer_config.json").read_text("utf-8"))

    def text(token):
        return token["content"] if isinstance(token, dict) else token

    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(path / "tokenizer.json"),
        bos_token=text(config.get("bos_token")),
        eos_token=text(config.get("eos_token")),
        chat_template=_TEMPLATES[kind],
    )


def _encode(tokenizer, messages) -> tuple[list[int], list[int]]:
    """Ids and labels as transformers has them."""
    out = tokenizer.apply_chat_template(
        messages,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    ids = list(out["input_ids"])
    mask = list(out["assistant_masks"])
    return ids, [i if m else -100 for i, m in zip(ids, mask)]


_ROLES = {"human": "user", "gpt": "assistant", "system": "system"}


def _messages(line: str) -> list[dict[str, str]]:
    record = json.loads(line)
    if "messages" in record:
        return record["messages"]
    return [
        {"role": _ROLES[turn["from"]], "content": turn["value"]}
        for turn in record["conversations"]
    ]


def write_cases(path: str) -> None:
    with open(path, "w", encoding="utf-8") as out:
        for messages in _cases():
            out.write(json.dumps({"messages": messages}) + "\n")


def check(kind: str, directory: str, lines: str, artifact: str) -> None:
    import safetensors

    tokenizer = _load(kind, directory)
    with safetensors.safe_open(artifact, framework="np") as opened:
        metadata = opened.metadata()
        ids, labels, offsets = (
            opened.get_tensor(name) for name in ("input_ids", "labels", "offsets")
        )
    assert metadata["artifact"] == "tokens" and metadata["chat_template"] == kind
    assert (str(ids.dtype), str(offsets.dtype)) == ("int32", "int64")
    digest = hashlib.sha256(ids.tobytes() + labels.tobytes() + offsets.tobytes())
    assert metadata["tokens_digest"] == digest.hexdigest()
    source = json.loads(metadata["sources"])[0]
    data = pathlib.Path(lines).read_bytes()
    assert source["sha256"] == hashlib.sha256(data).hexdigest()
    texts = [line for line in data.decode("utf-8").split("\n") if line]
    assert len(texts) == len(offsets) - 1 == int(metadata["num_sequences"])
    differing = 0
    for i, line in enumerate(texts):
        got = (
            ids[offsets[i] : offsets[i + 1]].tolist(),
            labels[offsets[i] : offsets[i + 1]].tolist(),
        )
        want = _encode(tokenizer, _messages(line))
        if got != tuple(want):
            differing += 1
            print(f"{lines}:{i + 1}: {line}\n  got  {got}\n  want {want}")
    print(f"{kind}: {len(texts) - differing} of {len(texts)} lines are the same")
    assert differing == 0


def write_golden(path: str, root: str) -> None:
    golden = []
    for kind, name in _GOLDEN_TOKENIZERS.items():
        tokenizer = _load(kind, f"{root}/{name}")
        for messages in _cases(few=True):
            ids, labels = _encode(tokenizer, messages)
            golden.append(
                {
                    "tokenizer": name,
                    "chat_template": kind,
                    "messages": messages,
                    "input_ids": ids,
                    "labels": labels,
                }
            )
    with open(path, "w", encoding="utf-8") as out:
        for case in golden:
            out.write(json.dumps(case) + "\n")


def _permutation(seed: int, count: int) -> list[int]:
    """The shuffled numbers below `count`, as DrawSequences defines them."""
    words = iter(philox_reference.stream(seed, "dataset/shuffle", 16 * count))

    def uniform(bound: int) -> int:
        while True:
            product = (next(words) | next(words) << 32) * bound
            if product % 2**64 >= 2**64 % bound:
                return product >> 64

    order = list(range(count))
    for i in range(count, 1, -1):
        j = uniform(i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def _story_sequences(testdata: str) -> list[tuple[list[int], list[int]]]:
    tokenizer = _load("llama3", f"{testdata}/llama_gqa_bf16")
    sequences = []
    for name in ("conversations", "messages", "text"):
        path = pathlib.Path(testdata, "stories", f"{name}.jsonl")
        for line in path.read_text("utf-8").split("\n"):
            if not line:
                continue
            if name == "text":
                ids = list(tokenizer(json.loads(line)["text"])["input_ids"])
                sequences.append((ids, ids))
            else:
                turns = [m for m in _messages(line) if m["role"] != "system"]
                sequences.append(_encode(tokenizer, turns))
    return sequences


def stories_digest(testdata: str) -> None:
    """Seven batches of 16 sequences of at most 256 tokens, by seed 2024."""
    sequences = _story_sequences(testdata)
    order = _permutation(2024, len(sequences))[: 7 * 16]
    data = struct.pack("<q", 7)
    for batch in range(7):
        data += struct.pack("<q", 16)
        for i in order[16 * batch : 16 * (batch + 1)]:
            ids, labels = sequences[i][0][:256], sequences[i][1][:256]
            data += struct.pack("<q", len(ids))
            data += struct.pack(f"<{2 * len(ids)}i", *ids, *labels)
    print(hashlib.sha256(data).hexdigest())


def main() -> None:
    command, arguments = sys.argv[1], sys.argv[2:]
    {
        "cases": write_cases,
        "check": check,
        "golden": write_golden,
        "stories_digest": stories_digest,
    }[command](*arguments)


if __name__ == "__main__":
    main()
