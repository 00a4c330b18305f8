"""Writes cases.json: small templates that use what published chat templates use, and what Jinja with transformers'
settings makes of them (pip install jinja2). A row whose text is null is one that the template refuses.
Usage: make.py > cases.json"""
import json
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2 import ext, nodes, TemplateError

class Generation(ext.Extension):
    tags = {'generation'}
    def parse(self, parser):
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(['name:endgeneration'], drop_needle=True)).set_lineno(line)
env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, 'jinja2.ext.loopcontrols'])
env.filters['tojson'] = lambda x, ensure_ascii=False, indent=None: json.dumps(x, ensure_ascii=ensure_ascii, indent=indent)
class Refused(TemplateError): pass
def refuse(message): raise Refused(message)
env.globals['raise_exception'] = refuse

T = {
 'white space': "{%- for m in messages %}\n    {% if m.role == 'user' %}\n  U:{{ m.content }}\n    {% else %}\n  {{- m.content -}}  \n    {% endif %}\n{% endfor %}\nend\n",
 'comments': "a {# one\n two #}\n{#- x -#}  b\n  {# c #}\n  d\n",
 'special tokens': "{{ bos_token }}{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}{{ unk_token }}{% if sep_token is defined %}S{% else %}N{% endif %}",
 'alternation': "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate, not ' + message['role']) }}{% endif %}[{{ loop.index }}{{ message['role'] }}]{{ message['content'] | trim }}{% endfor %}",
 'system apart': "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for m in loop_messages %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>' + system_message + '<</SYS>>' + m['content'] %}{% else %}{% set content = m['content'] %}{% endif %}{{ content.strip() }}|{% endfor %}",
 'namespace': "{%- set ns = namespace(n=0, last='', seen=false) %}{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.n = ns.n + 1 %}{%- set ns.last = m.content %}{%- set ns.seen = true %}{%- endif %}{%- endfor %}{{ ns.n }} {{ ns.last }} {{ ns.seen }}",
 'backwards': "{%- set ns = namespace(tool=true, last=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.tool and message.role == \"user\" and message.content is string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}{%- set ns.tool = false %}{%- set ns.last = index %}{%- endif %}{%- endfor %}{{ ns.last }}",
 'thinking': "{%- for message in messages %}{%- if message.role == 'assistant' %}{%- set content = message.content %}{%- set reasoning = '' %}{%- if message.reasoning_content is string %}{%- set reasoning = message.reasoning_content %}{%- else %}{%- if '</think>' in content %}{%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}{%- endif %}{{- '<' + message.role + '>\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}{%- else %}{{- message.content }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<assistant>\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- 'no' }}{%- endif %}{%- endif %}",
 'get': "{% for m in messages %}{{ m.get('role') }} {{ m.get('name', 'none') }} {% if m.get('tool_calls') %}T{% endif %}{{ 'content' in m }}{{ 'x' in m }}{{ m.tool_calls is defined }};{% endfor %}",
 'tojson': "{{ messages[0] | tojson }} {{ {'a': [1, 2.5, true, none], 'é': \"q\\\"'<>\"} | tojson }}\n{{ messages | tojson(indent=2) }}{{ [] | tojson }}",
 'tools': "{% if tools %}T{% endif %}{% if tools is not none and tools %}U{% endif %}{{ tools is none }}{% if documents %}D{% endif %}{%- if not tools is defined %}{% set tools = none %}{%- endif %}",
 'macro': "{% macro turn(role, text='-') %}<{{ role }}>{{ text }}{% endmacro %}{% for m in messages %}{{ turn(m.role, m.content) }}{{ turn('x') }}{% endfor %}",
 'loop': "{% for m in messages %}{{ loop.index }}/{{ loop.length }}{% if loop.first %}F{% endif %}{% if loop.last %}L{% endif %}{{ loop.revindex0 }}{% if not loop.last and loop.nextitem.role == m.role %}={% endif %}{% endfor %}",
 'loop controls': "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.content }}{% if loop.index > 1 %}{% break %}{% endif %}{% endfor %}",
 'filtered loop': "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.role }}{% else %}none{% endfor %}{% for m in messages | rejectattr('role', 'equalto', 'user') | list %}{{ m.role }}{% endfor %}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ messages | map(attribute='role') | join(',') }}",
 'generation': "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}",
 'arithmetic': "{{ 7 // 2 }} {{ 7 % 3 }} {{ 2 * 3.5 }} {{ 1 + 2 ~ 'x' }} {{ (messages|length - 1) // 2 }} {{ range(3) | list | length }}{% for i in range(1, 7, 2) %}{{ i }}{% endfor %}",
 'conditions': "{{ 'a' if messages|length > 1 else 'b' }}{{ 'x' if false }}{{ not true or 1 == 1 and 2 != 3 }}{% if messages[-1].role == 'user' and messages[-1]['content'] %}u{% elif messages[-1].role in ['assistant', 'tool'] %}t{% else %}e{% endif %}",
 'strings': "{% for m in messages %}{{ m.content.upper() }}{{ m.content | replace('a', 'A') }}{{ m.role.title() }}{{ m.content[:2] }}{{ m.content[-1:] }}{{ m.role | capitalize | upper }}{{ m.content | length }}{{ m.content.replace('s', 'ß') }}{{ m.content.find('a') }}{% endfor %}",
 'escapes': "{{ 'tab\\there' }}{{ \"new\\nline 'quoted'\" }}{{ 'back\\\\slash' }}{% raw %}{{ raw }}{% endraw %}{{ '{{' }}{{ '%}' }}",
 'undefined': "[{{ nothing }}{{ messages[0].nothing }}{% if nothing %}x{% endif %}{% if messages[0].tool_calls is defined and messages[0].tool_calls is not none %}y{% endif %}{{ nothing | default('d') }}{{ '' | default('e', true) }}]",
 'refusal': "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('unknown role: ' + m.role) }}{% endif %}{{ m.role }}{% endfor %}",
 'inline space': "x{{ 1 }} {# c #} {{ 2 }} {% if true %}y {% endif %}\n  {% if true %}z{% endif %} {%- if true %} w{% endif %}{% raw %} {{ '{%' }} {% if %} {% endraw %} {% if true %}é{% endif %}\t{% if true %} {{ '}} {%' }} {% endif %}{# {% raw %} #} {% if true %}v{% endif %}\n{% if true %} {% if true %}q{% endif %} {% endif %}",
 'slices': "{% for m in messages[1:] %}{{ m.role }}{% endfor %}|{% for m in messages[-2:] %}{{ m.role }}{% endfor %}|{% for m in messages[:-1] %}{{ m.role }}{% endfor %}|{% for m in messages[::-1] %}{{ m.role }}{% endfor %}|{% set rest = messages[1:] %}{% if rest %}{{ rest[-1].role }}{% endif %}|{% if messages %}{{ messages[-1].content }}{{ (messages | selectattr('role', 'equalto', messages[-1].role) | list)[-1].role }}{% endif %}",
 'methods': "{% for m in messages %}{{ m.content.split('<')[-1] }}|{{ m.content.split()[0] }}|{{ m.content.rsplit('<', 1)[0] }}|{{ m.content.split('t', 1) | join('+') }}|{{ m.content.replace('s', 'ß', 1) }}|{{ m.content.lstrip() }}|{{ m.content.rstrip() }}|{{ m.content.rstrip('bq\"') }}|{{ m.content | trim }}|{{ m.content.startswith('a') }}{{ m.content.endswith('b') }}|{{ m.content.splitlines() | length }};{% endfor %}",
 'set block': "{% set text %}<{{ messages[0].role }}>{% endset %}{{ text }}{% with x = 1 %}{{ x }}{% endwith %}",
 'lists': "{% set ns = namespace(parts=[]) %}{% for m in messages %}{% set ns.parts = ns.parts + [m.role] %}{% endfor %}{{ ns.parts | join('+') }}{{ ns.parts[0] }}{{ ns.parts | first }}{{ ns.parts | last }}{{ ns.parts | unique | list | length }}",
 'mapping': "{% for m in messages %}{% if m is mapping %}m{% endif %}{% if m.content is string %}s{% endif %}{% if m.content is iterable %}i{% endif %}{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}{% endfor %}",
 'multi-line set': "{% set roles = {\n  'user': 'U',\n  'assistant': 'A',\n  'system': 'S'} %}\n{% for m in messages %}\n{{ roles[m.role] }}:{{ m.content }}\n\n{% endfor %}\n",
}
C = [[], [dict(role='user', content='a')], [dict(role='system', content='Be s.'), dict(role='user', content=' {{ x }} {% if %} {# no #} é 🙂\n'), dict(role='assistant', content='<think>\nwhy\n</think>\n\nb')],
     [dict(role='user', content='q <tool>'), dict(role='assistant', content='b', reasoning_content='so\n'), dict(role='user', content="it's <b> \\n & \"q\"")]]
S = dict(bos_token='<s>', eos_token='</s>')
out = []
for name, source in T.items():
    t = env.from_string(source); rows = []
    for c in C:
        for g in (True, False):
            try: text = t.render(messages=c, tools=None, documents=None, add_generation_prompt=g, **S)
            except TemplateError: text = None
            except TypeError: continue
            rows.append(dict(messages=c, add_generation_prompt=g, text=text))
    out.append(dict(name=name, template=source, rows=rows))
print('[\n' + ',\n'.join(json.dumps(o, ensure_ascii=False) for o in out) + '\n]')
