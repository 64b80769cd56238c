"""Small templates, each with what transformers' own Jinja makes of them.

  jinja_golden.py FILE    writes them as JSON lines, for //moe/text/jinja:template_test:
                          the variables, then [template, rendered] a line

Needs transformers and jinja2.
"""

import json
import re
import sys

# In the templates, "\\n" and "\\r" outside of an output stand for line breaks.
_VARIABLES = {"messages":[{"role":"system","content":" Be kind. "},{"role":"user","content":"Hi\nthere"},{"role":"assistant","content":"Hello \"you\"","tool_calls":[{"function":{"name":"f","arguments":{"a":1,"b":[1.5,None,True]}}}]}],
     "bos_token":"<s>","tools":None,"n":3,"f":0.1,"s":"Zoë <b> 東京","e":"","d":{"b":2,"A":1},"xs":[3,1,2,1]}
_TEMPLATES = r'''
{{ bos_token }}|{{ missing }}|{{ none }}|{{ true }}|{{ n }}|{{ f }}|{{ xs }}|{{ d }}
{% for m in messages %}{{ m.role }}:{{ m['content'] }};{% endfor %}
{% for m in messages %}\n  {%- if loop.first -%}  A  {%- else %}  B {% endif %}\n{% endfor %}x
{% for m in messages if m.role != 'system' %}{{ loop.index }}/{{ loop.length }}{{ loop.last }}{{ loop.previtem.role if not loop.first }}{{ loop.nextitem.role if not loop.last }};{% else %}none{% endfor %}
{% for m in [] %}a{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }},{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% set x = 1 %}{% for i in xs %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}
{% set ns = namespace(x=1) %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
{% set t %}a{{ n }}b{% endset %}[{{ t }}]{{ t | upper }}
{% set t | trim | upper %}  a  {% endset %}[{{ t }}]
{% macro g(a, b='q', c=none) %}<{{ a }}{{ b }}{{ c }}>{% endmacro %}{{ g(1) }}{{ g(1, c=2) }}{{ g('x', 'y') ~ '!' }}
{% macro g() %}{{ n }}{{ z }}{% endmacro %}{% set z = 5 %}{{ g() }}
{{ 'a' if n > 2 else 'b' }}{{ 'a' if n > 5 }}{{ 1 if n is defined and n == 3 else 2 }}
{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1 - -1 }} {{ 0.1 + 0.2 }} {{ 1e20 }} {{ 1e15 }} {{ 5.0 }}
{{ 'a' + 'b' ~ 1 ~ none }} {{ 'ab' * 3 }} {{ [1] + [2] }} {{ '%s-%d%%' % ('a', 3) }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' in 'abc' }} {{ 2 in xs }} {{ 'b' not in d }} {{ not 1 == 2 }} {{ 1 == 1.0 == true }}
{{ messages[0].content }}|{{ messages[-1].role }}|{{ messages[9] }}|{{ messages[1:] | length }}|{{ xs[::-1] }}|{{ xs[1:3] }}|{{ 'abc'[1:] }}|{{ s[::-1] }}|{{ s[-2:] }}|{{ s[3] }}
{{ messages[0]['content'] | trim }}|{{ messages[0]['content'].strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xxaxx' | trim('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}
{{ messages | tojson }}
{{ messages[2].tool_calls | tojson(indent=2) }}
{{ d | tojson(sort_keys=true) }}{{ s | tojson }}{{ s | tojson(ensure_ascii=true) }}{{ d | tojson(separators=(',', ':')) }}{{ xs | tojson(indent=4) }}{{ [] | tojson(indent=2) }}
{{ s | upper }}{{ s | lower }}{{ 'hello wORLD-x (abc) [d' | title }}{{ 'hello wORLD' | capitalize }}{{ "it's a dog" | title }}{{ "it's a dog".title() }}{{ 'aB'.upper() }}{{ 'aB'.capitalize() }}
{{ s | length }}{{ xs | length }}{{ d | length }}{{ missing | length }}{{ messages | count }}
{{ 'aXbX' | replace('X', '-') }}{{ 'aXbX'.replace('X', '-', 1) }}{{ 'abc'.replace('', '-') }}{{ 'aaa' | replace('a', 'b', 2) }}
{{ xs | join }}|{{ xs | join(', ') }}|{{ messages | join('+', attribute='role') }}|{{ ', '.join(['a', 'b']) }}
{{ xs | first }}{{ xs | last }}{{ [] | first }}{{ s | list }}{{ d | list }}
{{ missing | default('q') }}{{ e | default('q') }}{{ e | default('q', true) }}{{ missing | d(1) }}{{ none | default('x', boolean=true) }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb\n' | indent(1) }}|{{ 'a\nb' | indent('> ') }}
{{ '12' | int }}{{ '1.9' | int }}{{ 'x' | int }}{{ 'x' | int(7) }}{{ 3.9 | int }}{{ '2.5' | float }}{{ -3 | abs }}{{ 5 | string + 'a' }}
{{ d | items | list | tojson }}{{ d | dictsort | list | tojson }}{{ d.keys() | list }}{{ d.values() | list }}{{ d.get('b') }}{{ d.get('z') }}{{ d.get('z', 9) }}{{ d | dictsort(by='value', reverse=true) | tojson }}{{ d | dictsort(true) | tojson }}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }}{{ messages | rejectattr('role', 'in', ['user']) | list | length }}{{ messages | selectattr('tool_calls') | list | length }}{{ messages | selectattr('tool_calls', 'defined') | list | length }}
{{ xs | select('gt', 1) | list }}{{ xs | reject('odd') | list }}{{ xs | map('string') | join('/') }}{{ ['a', 'b'] | map('upper') | list }}{{ xs | select | list }}{{ messages | map(attribute='x', default='-') | list }}
{{ xs | unique | list }}{{ xs | sort }}{{ xs | sort(reverse=true) }}{{ ['b', 'A', 'c'] | sort }}{{ ['b', 'A', 'a'] | sort(case_sensitive=true) }}{{ ['a', 'A'] | unique | list }}{{ messages | sort(attribute='role') | map(attribute='role') | list }}{{ xs | min }}{{ xs | max }}{{ xs | reverse | list }}{{ 'abc' | reverse }}
{{ n is defined }}{{ missing is defined }}{{ missing is undefined }}{{ none is none }}{{ n is not none }}{{ s is string }}{{ d is mapping }}{{ xs is iterable }}{{ d is sequence }}{{ n is iterable }}{{ n is number }}{{ true is number }}{{ true is integer }}{{ 1.5 is float }}{{ true is boolean }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ 3 is odd }}{{ 4 is even }}{{ 6 is divisibleby 3 }}{{ 6 is divisibleby(4) }}{{ 'a' is in 'abc' }}{{ 1 is sameas true }}{{ n is eq 3 }}{{ n is ne 3 }}{{ n is gt 2 }}{{ n is lessthan 2 }}{{ 'a' is lower }}{{ 'A' is upper }}{{ range is callable }}{{ missing is sequence }}{{ messages[0].x is defined }}
{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a b c'.split(none, 1) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ 'a\nb\r\nc'.splitlines() }}{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'bc')) }}{{ 'abcabc'.find('c') }}{{ 'abcabc'.rfind('c') }}{{ 'abcabc'.count('c') }}{{ 'x'.find('y') }}{{ '12'.isdigit() }}{{ 'think</think>a'.split('</think>')[-1] }}{{ 'ab'.removeprefix('a') }}{{ 'ab'.removesuffix('b') }}
{{ "a\tb\\n\x41\u00e9'" }}{{ 'it\'s' }}{{ 'a' 'b' }}{{ ['it\'s', "q\"'", 'n\n'] }}{{ '\q' }}
{# comment #}\n  {# c #}\n   {% if true %}\n  a\n   {% endif %}\nb {% if true %} c {% endif %}\nd
   {%+ if true %}a{% endif +%}\nb
a  \n  {%- if true -%}\n\n b \n {%- endif %}  c
a {{- ' b ' -}} c
{% raw %}{{ a }}{% b %}{% endraw %}\nx
{{ {'a': {'b': [1, {'c': 2}]}}['a']['b'][1].c }}{{ {} }}{{ {'a': 1,} }}{{ (1, 2)[0] }}{{ (3) }}{{ [1, 2,] | length }}
{{ namespace(a=1).a }}{{ dict(a=1, b=2) }}{{ range(3) | list }}{{ range(1, 7, 3) | list }}{{ range(3, 0, -1) | list }}
{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no') }}{% endif %}{{ message.role }}{% endfor %}
{% if n == 1 %}a{% elif n == 3 %}b{% else %}c{% endif %}{% if not tools %}t{% endif %}{% if tools is not none and tools %}u{% endif %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }}{% endfor %}
{%- set x = 'q' -%}\n{{ x }}\n
a\n\n
{{ 'x' * 0 }}{{ 'a' if false else 'b' if false else 'c' }}{{ 1 or 2 }}{{ 0 or '' or 'z' }}{{ 1 and 0 }}{{ not none }}{{ -n }}{{ +n }}{{ - 2 | abs }}
{% for a in xs %}{% for b in [1, 2] %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}
{% for i in xs %}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.index0 }},{% endfor %}
{% for c in 'aé' %}{{ c }}.{% endfor %}{% for k in d %}{{ k }}{% endfor %}
{{ messages[2]['tool_calls'][0].function.arguments | tojson }}{{ messages[2].tool_calls[0]['function']['name'] }}{{ messages.0.role }}
a\r\nb\r{% if true %}\r\nc{% endif %}
{% if strftime_now is defined %}{% endif %}ok{{ 'a' ~ missing ~ 'b' }}{{ missing == missing }}{{ missing == none }}{{ 3 in missing }}
'''


def _source(line: str) -> str:
    parts = re.split(r"(\{\{.*?\}\})", line)
    return "".join(
        part
        if part.startswith("{{") and part.endswith("}}")
        else part.replace("\\n", "\n").replace("\\r", "\r")
        for part in parts
    )


def main() -> None:
    # pylint: disable=import-outside-toplevel
    from transformers.utils import chat_template_utils

    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(json.dumps(_VARIABLES, ensure_ascii=False) + "\n")
        for line in _TEMPLATES.strip("\n").split("\n"):
            source = _source(line)
            # pylint: disable=protected-access
            template = chat_template_utils._compile_jinja_template(source)
            pair = [source, template.render(**_VARIABLES)]
            out.write(json.dumps(pair, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
