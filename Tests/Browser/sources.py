"""What can be seen of the pages without a browser."""
import glob
import os
import re

from world import PAGES


def files(*endings):
    found = [path for path in glob.glob(PAGES + "/**/*", recursive=True) if path.endswith(endings)]
    assert found
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def no_markup_from_text():
    banned = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|DOMParser|createContextualFragment|srcdoc|setHTML|javascript:"
    found = [(path, match.group()) for path in files(".js", ".html") for match in re.finditer(banned, read(path))]
    assert found == [], found
    makers = [os.path.basename(path) for path in files(".js") if "createElement" in read(path)]
    assert makers == ["dom.js"], makers


def nothing_inline_or_foreign():
    for path in files(".html"):
        text = read(path)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path
    for path in files(".html", ".js", ".css", ".webmanifest"):
        foreign = [one for one in re.findall(r"https?://[^\s\"')]+", read(path)) if one != "http://www.w3.org/2000/svg"]
        assert foreign == [], (path, foreign)
        assert "@import" not in read(path), path


def languages_agree():
    tables = {}
    for path in files(".js"):
        if "/languages/" in path:
            tables[os.path.basename(path)] = dict(re.findall(r'^  "([^"]+)": (.+),$', read(path), re.M))
    assert set(tables) == {"en.js", "de.js", "fr.js"}
    english = tables["en.js"]
    assert len(english) > 400
    for name, table in tables.items():
        assert set(table) == set(english), (name, set(table) ^ set(english))
        for key, text in table.items():
            assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", english[key])), (name, key)
            assert ("one:" in text) == ("one:" in english[key]), (name, key)
    used = set()
    for path in files(".js"):
        if "/languages/" not in path:
            for call in re.findall(r"\bt\(([^,()]*)", read(path)):
                used.update(re.findall(r'"([^"]+)"', call))
    assert used - set(english) == set(), used - set(english)


def light():
    """What a page brings, each with the language that weighs most, without the map; all of it when nothing is kept."""
    def loaded(path, seen):
        if path not in seen:
            seen.add(path)
            for name in re.findall(r'^(?:import|export) [^;]*?"(\./[^"]+|\.\./[^"]+)";', read(path), re.M | re.S):
                loaded(os.path.normpath(os.path.join(os.path.dirname(path), name)), seen)
        return seen
    always = {os.path.join(PAGES, name) for name in ("index.html", "style.css", "icon.svg", "manifest.webmanifest", "code/theme.js", "sw.js")}
    language = max((path for path in files(".js") if "/languages/" in path), key=os.path.getsize)
    start = loaded(os.path.join(PAGES, "code/start.js"), set(always) | {language})
    views = re.findall(r'import\("\./(views/[^"]+)"\)', read(os.path.join(PAGES, "code/start.js")))
    assert len(views) >= 12, views
    weights = {view: sum(map(os.path.getsize, loaded(os.path.join(PAGES, "code", view), set(start)))) for view in views}
    heaviest = max(weights, key=weights.get)
    assert weights[heaviest] < 200_000, (heaviest, weights[heaviest])
    print("the heaviest page, %s: %d octets" % (heaviest, weights[heaviest]))


tests = [("source: text never becomes markup", no_markup_from_text), ("source: nothing inline, nothing from elsewhere", nothing_inline_or_foreign),
         ("source: the languages have the same words", languages_agree), ("source: the pages are light", light)]

if __name__ == "__main__":
    for name, test in tests:
        test()
        print('✔ Test "%s" passed' % name)
