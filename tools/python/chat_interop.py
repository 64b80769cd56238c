"""The Python side of //tools/tests:chat_interop_test.

  chat_interop.py make WORK_DIR TOKENIZER_ROOT
  chat_interop.py check WORK_DIR

`make` writes WORK_DIR/NAME for each template below: a tokenizer with that template, and
conversations of one to four rounds, with and without a system turn. `check` holds the token
artifact of each (NAME.safetensors) to apply_chat_template of transformers: ids, and the
assistant's tokens as the same template gives them with its {% generation %} tags in place.
The templates are written in the shape of those that the families' checkpoints carry. Needs
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


def template(name: str, marked: bool) -> str:
    begin, end = ("generation", "endgeneration") if marked else ("if true", "endif")
    return TEMPLATES[name][1].replace("[[", begin).replace("]]", end)


def names() -> list[tuple[str, str, bool]]:
    """For each directory: its name, its template, and whether that has the tags."""
    return [(f"{name}{'_marked' if marked else ''}", name, marked)
            for name in TEMPLATES for marked in (False, True)]


def make(work: pathlib.Path, root: pathlib.Path) -> None:
    rows = "".join(json.dumps({"messages": c}, ensure_ascii=False) + "\n" for c in conversations())
    for directory, name, marked in names():
        path = work / directory
        shutil.copytree(root / TEMPLATES[name][0], path)
        (path / "chat_template.jinja").write_text(template(name, marked), "utf-8")
        config_path = path / "tokenizer_config.json"
        config = json.loads(config_path.read_text("utf-8")) if config_path.exists() else {}
        config.pop("chat_template", None)
        # As a text: an object needs the tokenizer class that wrote it.
        for token, value in config.items():
            if isinstance(value, dict) and "content" in value:
                config[token] = value["content"]
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        config_path.write_text(json.dumps(config), "utf-8")
    (work / "conversations.jsonl").write_text(rows, "utf-8")


def wanted(directory: pathlib.Path, name: str) -> tuple[list[int], list[int]]:
    """Ids and labels of all conversations, one after another."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(directory))
    all_ids, all_labels = [], []
    for chat in conversations():
        ids = tokenizer.apply_chat_template(chat)
        ids = ids if isinstance(ids, list) else ids["input_ids"]
        marked = tokenizer.apply_chat_template(
            chat, chat_template=template(name, True), return_dict=True,
            return_assistant_tokens_mask=True)
        assert marked["input_ids"] == ids, f"{name}: the tags change the ids"
        all_ids += ids
        all_labels += [i if m else -100 for i, m in zip(ids, marked["assistant_masks"])]
    return all_ids, all_labels


def check(work: pathlib.Path) -> int:
    failures = 0
    for directory, name, _ in names():
        ids, labels = wanted(work / directory, name)
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
