"""The Python side of //tools/tests:chat_interop_test.

  chat_interop.py make WORK_DIR TOKENIZER_ROOT
  chat_interop.py check WORK_DIR

`make` writes WORK_DIR/NAME for each template below: a tokenizer with that template, and
conversations of one to four rounds, with and without a system turn. For each family that
--chat_template names it writes two tokenizers: WORK_DIR/by_name has no template, WORK_DIR/own
the one that the family's models are published with. `check`
holds the token artifact of each (NAME.safetensors) to apply_chat_template of transformers:
ids, and the assistant's tokens as the same template gives them with its {% generation %}
tags in place. The templates are written in the shape of those that the families'
checkpoints carry; a family by its name is held to the published template, too. Needs
transformers, jinja2 and safetensors.
"""

import json
import pathlib
import shutil
import sys

import safetensors.torch
import torch
import transformers

GENERATION = ("{% generation %}", "{% endgeneration %}")

_TEXTS = [
    "Hello, world!", " spaces around \n", "It's 12345 o'clock;\n\ndon't panic.",
    "Zoë näher 東京 🙂", "def f(x):\n    return {x: [1]}", "a", "{{ braces }} {% tags %}",
    "  \ttabs", "",
]

# [[ and ]] stand where generation begins and ends.
TEMPLATES = {
    "llama3": ("llama3_style", """{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
        {%- [[ %}{{ message.content | trim + '<|eot_id|>' }}{% ]] -%}
    {%- else %}
        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}
        {{- message.content | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""),
    "llama31_dated": ("llama3_style", """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = '26 Jul 2024' %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}
{{- 'Today Date: ' + date_string + '\n\n' }}
{{- system_message + '<|eot_id|>' }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
        {%- if message['role'] == 'assistant' -%}
        {% [[ %}{{ message['content'] | trim + '<|eot_id|>' }}{% ]] -%}
        {%- else -%}
        {{ message['content'] | trim + '<|eot_id|>' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}"""),
    "chatml_default_system": ("smollm2_style", """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['role'] == 'assistant' %}{% [[ %}{{ message['content'] + '<|im_end|>' }}{% ]] %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""),
    "chatml": ("smollm2_style", """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['role'] == 'assistant' %}{% [[ %}{{ message['content'] + '<|im_end|>' }}{% ]] %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"""),
    "chatml_tools": ("smollm2_style", """{%- if tools %}
    {{- 'tools' }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == 'user') or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == 'assistant' and not message.tool_calls %}
        {{- '<|im_start|>assistant\n' }}{% [[ %}{{ message.content + '<|im_end|>' }}{% ]] %}{{ '\n' }}
    {%- endif %}
{%- endfor %}"""),
    "llama2": ("llama2_style", """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' }}{% [[ %}{{ content.strip() + ' ' + eos_token }}{% ]] %}{% endif %}{% endfor %}"""),
    "mistral": ("llama2_style", """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("Roles must alternate") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " }}{% [[ %}{{ message["content"] | trim + eos_token }}{% ]] -%}
    {%- endif %}
{%- endfor %}"""),
    "zephyr": ("llama2_style", """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n' }}{% [[ %}{{ message['content'] + eos_token }}{% ]] %}

{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""),
    "vicuna": ("llama2_style", """{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set system = 'A chat.' %}{% endif %}{{ bos_token + system }}{% for message in rest %}{% if message['role'] == 'user' %}{{ ' USER: ' + message['content'].strip() }}{% else %}{{ ' ASSISTANT: ' }}{% [[ %}{{ message['content'].strip() + eos_token }}{% ]] %}{% endif %}{% endfor %}"""),
    "alpaca": ("llama2_style", """{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}{% elif message['role'] == 'user' %}{{ '### Instruction:\n' + message['content'] + '\n\n' }}{% else %}{{ '### Response:\n' }}{% [[ %}{{ message['content'] + eos_token }}{% ]] %}{{ '\n\n' }}{% endif %}{% endfor %}"""),
}


# By the name of the family: its tokenizer, the special tokens that it has besides, and the
# template that its models are published with. Vicuna's is what FastChat writes.
FAMILIES = {
    "llama3": ("llama3_style", [], TEMPLATES["llama3"][1]),
    "chatml": ("smollm2_style", [], TEMPLATES["chatml"][1]),
    "llama2": ("llama2_style", [], TEMPLATES["llama2"][1]),
    "mistral": ("llama2_style", [], """{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [INST] ' + system_message + '\n\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- ' [INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' }}{% [[ %}{{ message['content'] + eos_token }}{% ]] -%}
    {%- else %}
        {{- raise_exception('Only user and assistant roles are supported') }}
    {%- endif %}
{%- endfor %}
"""),
    "zephyr": ("llama2_style", [], TEMPLATES["zephyr"][1]),
    "vicuna": ("llama2_style", [], """{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set system = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions." %}{% endif %}{{ bos_token + system + ' ' }}{% for message in rest %}{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}{% else %}{{ 'ASSISTANT: ' }}{% [[ %}{{ message['content'] + eos_token }}{% ]] %}{% endif %}{% endfor %}"""),
    "alpaca": ("llama2_style", [], """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'].strip() + '\n\n' %}{% else %}{% set loop_messages = messages %}{% set system_message = '' %}{% endif %}{{ bos_token + system_message }}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}{{ '### Instruction:\n' + message['content'].strip() + '\n\n' }}{% elif message['role'] == 'assistant' %}{{ '### Response:\n' }}{% [[ %}{{ message['content'].strip() + eos_token }}{% ]] %}{{ '\n\n' }}{% endif %}{% endfor %}"""),
    "gemma": ("llama2_style", ["<start_of_turn>", "<end_of_turn>"], """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' }}{% if role == 'model' %}{% [[ %}{{ message['content'] | trim + '<end_of_turn>' }}{% ]] %}{% else %}{{ message['content'] | trim + '<end_of_turn>' }}{% endif %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"""),
    "phi3": ("llama2_style", ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"], """{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' }}{% [[ %}{{ message['content'] + '<|end|>' }}{% ]] %}{{ '\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"""),
}
# No system turn is written for these.
WITHOUT_SYSTEM = {"gemma"}

def conversations() -> list[list[dict[str, str]]]:
    found = []
    for rounds in range(1, 5):
        for has_system in (False, True):
            for start in range(4):
                texts = [_TEXTS[(start * 3 + i) % len(_TEXTS)] for i in range(2 * rounds + 1)]
                chat = [{"role": "system", "content": texts[-1]}] if has_system else []
                for i in range(rounds):
                    chat.append({"role": "user", "content": texts[2 * i]})
                    chat.append({"role": "assistant", "content": texts[2 * i + 1]})
                found.append(chat)
    return found


def marked(text: str, with_tags: bool) -> str:
    begin, end = ("generation", "endgeneration") if with_tags else ("if true", "endif")
    return text.replace("[[", begin).replace("]]", end)


def names() -> list[tuple[str, str, bool]]:
    """For each directory: its name, its template, and whether that has the tags."""
    return [(f"{name}{'_marked' if tags else ''}", name, tags)
            for name in TEMPLATES for tags in (False, True)]


def write_tokenizer(path: pathlib.Path, source: pathlib.Path, new_tokens: list[str]) -> None:
    """Copies a tokenizer without its template, and adds special tokens to it."""
    shutil.copytree(source, path)
    (path / "chat_template.jinja").unlink(missing_ok=True)
    config_path = path / "tokenizer_config.json"
    config = json.loads(config_path.read_text("utf-8")) if config_path.exists() else {}
    config.pop("chat_template", None)
    # As a text: an object needs the tokenizer class that wrote it.
    for token, value in config.items():
        if isinstance(value, dict) and "content" in value:
            config[token] = value["content"]
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config_path.write_text(json.dumps(config), "utf-8")
    if not new_tokens:
        return
    document_path = path / "tokenizer.json"
    document = json.loads(document_path.read_text("utf-8"))
    known = [token["id"] for token in document["added_tokens"]]
    first = max([*document["model"]["vocab"].values(), *known]) + 1
    # As the tokens of Phi-3, these take the white space behind them.
    document["added_tokens"] += [
        {"id": first + i, "content": token, "single_word": False, "lstrip": False,
         "rstrip": True, "normalized": False, "special": True}
        for i, token in enumerate(new_tokens)]
    document_path.write_text(json.dumps(document), "utf-8")


def make(work: pathlib.Path, root: pathlib.Path) -> None:
    rows = "".join(json.dumps({"messages": c}, ensure_ascii=False) + "\n" for c in conversations())
    (work / "conversations.jsonl").write_text(rows, "utf-8")
    for directory, name, tags in names():
        style, text = TEMPLATES[name]
        write_tokenizer(work / directory, root / style, [])
        (work / directory / "chat_template.jinja").write_text(marked(text, tags), "utf-8")
    for name, (style, tokens, text) in FAMILIES.items():
        write_tokenizer(work / "by_name" / name, root / style, tokens)
        write_tokenizer(work / "own" / name, root / style, tokens)
        (work / "own" / name / "chat_template.jinja").write_text(marked(text, False), "utf-8")


def wanted(directory: pathlib.Path, text: str, with_system: bool) -> tuple[list[int], list[int]]:
    """Ids and labels of all conversations, one after another."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(directory))
    all_ids, all_labels = [], []
    for chat in conversations():
        if not with_system:
            chat = [turn for turn in chat if turn["role"] != "system"]
        ids = tokenizer.apply_chat_template(chat, chat_template=marked(text, False))
        ids = ids if isinstance(ids, list) else ids["input_ids"]
        masked = tokenizer.apply_chat_template(
            chat, chat_template=marked(text, True), return_dict=True,
            return_assistant_tokens_mask=True)
        assert masked["input_ids"] == ids, f"{directory.name}: the tags change the ids"
        all_ids += ids
        all_labels += [i if m else -100 for i, m in zip(ids, masked["assistant_masks"])]
    return all_ids, all_labels


def check(work: pathlib.Path) -> int:
    cases = [(directory, TEMPLATES[name][1], True) for directory, name, _ in names()]
    cases += [(f"{kind}/{name}", text, name not in WITHOUT_SYSTEM)
              for name, (_, _, text) in FAMILIES.items() for kind in ("by_name", "own")]
    failures = 0
    for directory, text, with_system in cases:
        ids, labels = wanted(work / directory, text, with_system)
        tensors = safetensors.torch.load_file(work / f"{directory}.safetensors")
        got = tensors["input_ids"].tolist(), tensors["labels"].tolist()
        same_ids, same_labels = got[0] == ids, got[1] == labels
        print(f"{directory}: ids {'equal' if same_ids else 'DIFFER'}, "
              f"labels {'equal' if same_labels else 'DIFFER'}")
        failures += not (same_ids and same_labels)
    return failures


def main() -> int:
    work = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(work, pathlib.Path(sys.argv[3]))
        return 0
    return 1 if check(work) else 0


if __name__ == "__main__":
    sys.exit(main())
