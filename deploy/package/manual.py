#!/usr/bin/env python3
"""manual.py PROGRAM --version V --into ROOT: man page and shell completion, from what the program says of itself.

weir-aggregator and weirctl describe themselves to machines (--experimental-dump-help) and write their completion;
weir-sensor, which does without that library, is asked for the help of each command."""
import argparse
import gzip
import json
import os
import re
import subprocess

EXIT = "0 done, 1 the work failed, 2 the command line or a setting is wrong."


def said(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("\u2026", "...")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def verbatim(text):
    """As it stands: what programs say of themselves is laid out already."""
    return [".nf", roff(text.strip("\n")), ".fi"]


def page(name, version, abstract, body):
    date = subprocess.run(
        ["date", "--utc", "--date=@" + os.environ.get("SOURCE_DATE_EPOCH", "0"), "+%Y-%m-%d"],
        capture_output=True, text=True, check=True).stdout.strip()
    head = [f'.TH {name.upper()} 1 "{date}" "{roff(name)} {version}" "Weir"', ".nh", ".ad l", ".SH NAME",
            f"{roff(name)} \\- {roff(abstract)}"]
    tail = [".SH EXIT STATUS", roff(EXIT), ".SH SEE ALSO"]
    others = [other for other in ("weir-sensor", "weir-aggregator", "weirctl") if other != name]
    tail.append(", ".join(f".BR {roff(other)} (1)" for other in others).replace(", .BR", " ,\n.BR"))
    return "\n".join(head + body + tail) + "\n"


# --- programs that describe themselves

def spelled(argument):
    names = [("-" if name["kind"] == "short" else "--") + name["name"] for name in argument.get("names", [])]
    value = argument.get("valueName", "")
    if argument["kind"] == "positional":
        return f"<{value}>"
    if argument["kind"] == "option":
        return ", ".join(names) + f" <{value}>"
    return ", ".join(names)


def synopsis(command):
    words = [" ".join(command.get("superCommands", []) + [command["commandName"]])]
    for argument in command.get("arguments", []):
        if not argument.get("shouldDisplay", True) or spelled(argument) in ("--version", "-h, --help"):
            continue
        text = spelled(argument) + (" ..." if argument.get("isRepeating") else "")
        words.append(f"[{text}]" if argument.get("isOptional") else text)
    if command.get("subcommands"):
        words.append("<subcommand>")
    return " ".join(words)


def described(command, level=0):
    """A command's own part of the page, and those of its subcommands."""
    lines = []
    if level:
        lines += [".SH" if level == 1 else ".SS", roff(" ".join(command["superCommands"][1:] + [command["commandName"]]))]
        lines[-2:] = [f"{lines[-2]} {lines[-1]}"]
        lines += verbatim(synopsis(command)) + [".PP", roff(command.get("abstract", ""))]
    if command.get("discussion"):
        lines += [".PP"] + verbatim(command["discussion"])
    for argument in command.get("arguments", []):
        if argument.get("shouldDisplay", True) and spelled(argument) not in ("--version", "-h, --help"):
            default = f" (default: {argument['defaultValue']})" if argument.get("defaultValue") else ""
            lines += [".TP", f".B {roff(spelled(argument))}", roff(argument.get("abstract", "").strip() + default) or "\\&"]
    for child in command.get("subcommands", []):
        if child.get("shouldDisplay", True) and child["commandName"] != "help":
            lines += described(child, level + 1)
    return lines


def of_parser(program, name, version, dump):
    command = json.loads(dump)["command"]
    body = [".SH SYNOPSIS"] + verbatim(synopsis(command)) + [".SH DESCRIPTION"] + described(command)
    completion = {shell: said(program, "--generate-completion-script", shell).stdout for shell in ("bash", "zsh", "fish")}
    completion = {shell: re.sub(r"\A#!.*\n", "", text) for shell, text in completion.items()}
    return page(name, version, command["abstract"].rstrip("."), body), completion


# --- the sensor

def of_help(program, name, version):
    top = said(program, "--help").stdout
    commands = re.findall(r"^  ([a-z][a-z-]*) +(\S.*)$", top, re.M)
    body = [".SH SYNOPSIS"] + verbatim(f"{name} COMMAND [--help]") + [".SH DESCRIPTION"] + verbatim(top)
    options = {}
    for command, _ in commands:
        text = said(program, command, "--help").stdout
        options[command] = sorted(set(re.findall(r"--[a-z]+", text)) | {"--help"})
        body += [f".SH {roff(command)}"] + verbatim(text)
    abstract = top.split(",")[0].removeprefix(name + " ")
    return page(name, version, f"{abstract}, sums them and ships them to an aggregator", body), {
        "bash": bash(name, options), "zsh": zsh(name, commands, options), "fish": fish(name, commands, options)}


def bash(name, options):
    cases = "\n".join(f'        {command}) words="{" ".join(row)}" ;;' for command, row in options.items())
    function = "_" + name.replace("-", "_")
    return f"""# Completion of {name}, made from its help.
{function}() {{
    local words current=${{COMP_WORDS[COMP_CWORD]}}
    COMPREPLY=()
    case ${{COMP_WORDS[1]}} in
{cases}
        *) words="{" ".join(options)} --help --version" ;;
    esac
    if [ "$COMP_CWORD" -gt 1 ] && [[ $current != -* ]]; then
        compopt -o default
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -F {function} {name}
"""


def zsh(name, commands, options):
    def quoted(text):
        return text.replace("'", "'\\''").replace(":", "\\:")
    rows = "\n".join(f"        '{command}:{quoted(about)}'" for command, about in commands)
    cases = "\n".join(f"        {command}) _arguments {' '.join(row)} '*:file:_files' ;;" for command, row in options.items())
    return f"""#compdef {name}
# Made from the program's help.
local -a commands=(
{rows}
)
if (( CURRENT == 2 )); then
    _describe command commands
else
    local command=$words[2]
    shift words
    (( CURRENT -= 1 ))
    case $command in
{cases}
    esac
fi
"""


def fish(name, commands, options):
    def quoted(text):
        return text.replace("\\", "\\\\").replace("'", "\\'")
    lines = [f"# Completion of {name}, made from its help."]
    for command, about in commands:
        lines.append(f"complete -c {name} -n __fish_use_subcommand -f -a {command} -d '{quoted(about)}'")
        lines += [f"complete -c {name} -n '__fish_seen_subcommand_from {command}' -l {option[2:]}" for option in options[command]]
    return "\n".join(lines) + "\n"


def write(path, text, packed=False):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if packed:
        with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as stream:
            stream.write(text.encode())
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("program")
    options.add_argument("--version", required=True)
    options.add_argument("--into", required=True)
    given = options.parse_args()
    name = os.path.basename(given.program)
    dump = said(given.program, "--experimental-dump-help")
    if dump.returncode == 0 and dump.stdout.startswith("{"):
        text, completion = of_parser(given.program, name, given.version, dump.stdout)
    else:
        text, completion = of_help(given.program, name, given.version)
    share = os.path.join(given.into, "usr/share")
    write(f"{share}/man/man1/{name}.1.gz", text, packed=True)
    write(f"{share}/bash-completion/completions/{name}", completion["bash"])
    write(f"{share}/zsh/vendor-completions/_{name}", completion["zsh"])
    write(f"{share}/fish/vendor_completions.d/{name}.fish", completion["fish"])


if __name__ == "__main__":
    main()
