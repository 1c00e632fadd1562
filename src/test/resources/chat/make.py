"""Chat templates written for this project in the manner of well-known families, and what Jinja 3.1 makes of them.

Run in this folder with jinja2 installed: python make.py. The environment is the one in which Hugging Face's
transformers renders chat templates: trimmed blocks, loop controls, raise_exception.
"""
import json
import pathlib

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).parent
TEMPLATES = {
    "chatml": """{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}
{%- endif %}
{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}\
{% else %}{% set loop_messages = messages %}{% set system = false %}{% endif %}\
{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Roles must alternate user/assistant/user/…') }}{% endif %}\
{% if loop.index0 == 0 and system != false %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}\
{% else %}{% set content = message['content'] %}{% endif %}\
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}\
{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}""",
    "llama3": """{%- set ns = namespace(first=true) -%}
{%- macro head(role) -%}<|start_header_id|>{{ role }}<|end_header_id|>

{% endmacro -%}
{%- for message in messages -%}
    {%- set content = head(message.role) ~ message.content | trim ~ '<|eot_id|>' -%}
    {%- if ns.first -%}{%- set ns.first = false -%}{%- set content = bos_token + content -%}{%- endif -%}
    {{- content -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ head('assistant') }}{%- endif -%}
""",
    "mistral": """{%- if messages[0].role == 'system' %}
    {%- set system_message = messages[0].content %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set rest = messages %}
{%- endif %}
{%- set user_messages = rest | selectattr('role', 'equalto', 'user') | list %}
{{- bos_token }}
{%- for message in rest %}
    {%- if message.role == 'user' %}
        {%- if system_message is defined and loop.last %}
            {{- '[INST] ' + system_message + '\\n\\n' + message.content + '[/INST]' }}
        {%- else %}
            {{- '[INST] ' + message.content + '[/INST]' }}
        {%- endif %}
    {%- elif message.role == 'assistant' %}
        {{- ' ' + message.content + eos_token }}
    {%- else %}
        {{- raise_exception('Only user and assistant roles are supported, not ' + message.role + ' (' + (user_messages | length | string) + ')') }}
    {%- endif %}
{%- endfor %}
""",
    "zephyr": """{% for message in messages %}
{% if message['role'] in ['user', 'system', 'assistant'] %}
{{ '<|' ~ message['role'] ~ '|>\\n' + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "gemma": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}\
{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}""",
    "phi": """{%- for message in messages -%}
{%- if message['role'] == 'system' and message['content'] -%}{{ '<|system|>\\n' + message['content'] + '<|end|>\\n' }}
{%- elif message['role'] == 'user' -%}{{ '<|user|>\\n' + message['content'] + '<|end|>\\n' }}
{%- else -%}{{ '<|assistant|>\\n' ~ (message.content if message.content is string else message.content | join(' ')) ~ '<|end|>\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- else -%}{{ eos_token }}{%- endif -%}""",
    "tools": """{%- for m in messages | reject('none') -%}
{%- if loop.first and tools is not defined %}{{ {'role': m.role, 'n': loop.length, 'list': [1, 2.5, true, none], 'é': '<&>'} | tojson }}{% endif -%}
{%- if m.role == 'user' -%}{%- continue -%}{%- endif -%}
{{ '%s;' | format(m.role) if false else (m['role'] | upper | replace('S', 's')) + loop.index | string }}{{ m.content[:3] ~ m.content[::-1][:2] }}|
{%- set parts = m.content.split(' ') -%}{{ parts | first }}-{{ parts | last }}-{{ parts | length }}-{{ m.content.startswith('Be') }}-{{ parts | join('+') -}}
{%- endfor -%}{{ '\\n' }}{%- for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}={{ v * 3 // 2 }};{% endfor -%}{{ messages | map(attribute='role') | unique | list | length }}""",
}
CONVERSATIONS = {
    "user": [("user", "Hello there! ")],
    "system": [("system", "Be short."), ("user", " What is a KV cache?\nTell me.")],
    "turns": [("user", "1+1?"), ("assistant", " Two. "), ("user", "Sure & certain?")],
    "wrong": [("user", "a"), ("tool", "b c"), ("user", "d")],
}


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None: json.dumps(x, ensure_ascii=ensure_ascii, indent=indent)
env.globals["raise_exception"] = raise_exception
cases = []
for name, text in TEMPLATES.items():
    for conversation, turns in CONVERSATIONS.items():
        messages = [{"role": r, "content": c} for r, c in turns]
        case = {"template": name, "conversation": conversation, "messages": messages}
        try:
            case["prompt"] = env.from_string(text).render(
                messages=messages, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
        except jinja2.exceptions.TemplateError as e:
            case["error"] = str(e)
        cases.append(case)
(HERE / "chat.json").write_text(json.dumps({"templates": TEMPLATES, "cases": cases}, ensure_ascii=False, indent=1) + "\n")
for c in cases:
    print(c["template"], c["conversation"], "|", repr(c.get("prompt", "ERROR " + c.get("error", ""))))
