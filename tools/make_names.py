"""Make zh/data/names.txt, the names that travel with the book, and names.md beside it.

    python tools/make_names.py            write both files
    python tools/make_names.py --check    say whether they are what this script makes

The names are the given names in the person providers of the `faker` package
(Daniele Faraglia and contributors, MIT licence), one provider a locale.  A name is
kept when its lower-case spelling is two letters or more, all of them a-z.  Nothing is
respelled: José is left out, and Jose is kept where a locale spells it so.  Romanised
spellings that faker itself gives (Japanese, Chinese) are kept under the same rule.

`faker` is needed to make the list, not to read it.  Both files depend on its version
alone, so they are the same bytes on every machine.
"""

import importlib
import pkgutil
import re
import string
import sys
from pathlib import Path

FAKER = "40.54.0"  # the version that the committed files were made from
FOLDER = Path(__file__).resolve().parents[1] / "zh" / "data"
CODES = string.ascii_letters + string.digits
# fmt: off
PLACES = {  # where each locale is, in words that finish "names as in ..."
    "az_AZ": "Azerbaijan", "cs_CZ": "the Czech Republic", "da_DK": "Denmark", "de_AT": "Austria",
    "de_CH": "Switzerland (German)", "de_DE": "Germany", "de_LI": "Liechtenstein",
    "de_LU": "Luxembourg", "en": "English, a long list", "en_GB": "Great Britain",
    "en_IE": "Ireland", "en_IN": "India", "en_KE": "Kenya", "en_NG": "Nigeria",
    "en_NZ": "New Zealand", "en_PK": "Pakistan", "en_TH": "Thailand",
    "en_US": "the United States", "es_AR": "Argentina", "es_CA": "Catalonia", "es_CL": "Chile",
    "es_CO": "Colombia", "es_ES": "Spain", "es_MX": "Mexico", "et_EE": "Estonia",
    "fi_FI": "Finland", "fr_BE": "Belgium (French)", "fr_CA": "Canada (French)",
    "fr_CH": "Switzerland (French)", "fr_DZ": "Algeria", "fr_FR": "France", "fr_QC": "Quebec",
    "ga_IE": "Ireland (Irish)", "ha_NG": "Nigeria (Hausa)", "hr_HR": "Croatia",
    "hu_HU": "Hungary", "id_ID": "Indonesia", "ig_NG": "Nigeria (Igbo)", "is_IS": "Iceland",
    "it_IT": "Italy", "ja_JP": "Japan", "lt_LT": "Lithuania", "lv_LV": "Latvia",
    "nl_BE": "Belgium (Dutch)", "nl_NL": "the Netherlands", "no_NO": "Norway",
    "pl_PL": "Poland", "pt_BR": "Brazil", "pt_PT": "Portugal", "ro_RO": "Romania",
    "sk_SK": "Slovakia", "sl_SI": "Slovenia", "sv_SE": "Sweden", "sw": "Swahili",
    "tr_TR": "Turkey", "tw_GH": "Ghana (Twi)", "uz_UZ": "Uzbekistan", "vi_VN": "Vietnam",
    "yo_NG": "Nigeria (Yoruba)", "zh_CN": "China", "zu_ZA": "South Africa (Zulu)",
}
# fmt: on


def given_names(provider, base):
    """Every given name that a faker `provider` class holds, as it is spelled there.

    Attributes are called first_names, first_names_female, first_romanized_names ...;
    those inherited unchanged from the default provider `base` (John, Jane) do not count.
    """
    found = set()
    for attribute in dir(provider):
        values = getattr(provider, attribute)
        if not re.fullmatch(r"first_\w*names\w*", attribute):
            continue
        if callable(values) or isinstance(values, property):
            continue
        if values is getattr(base, attribute, None):
            continue
        for value in values:  # a tuple is (kanji, kana, romanised)
            found.update(value if isinstance(value, tuple) else [value])
    return found


def kept(spelling):
    """The name in lower case, or None where it is not two or more letters a-z."""
    lower = spelling.lower()
    return lower if re.fullmatch("[a-z]{2,}", lower) else None


def collect():
    """{locale: (how many names faker has there, the set of those kept)}."""
    import faker
    from faker.providers import person

    if faker.VERSION != FAKER:
        sys.exit(
            f"faker {faker.VERSION} is installed and the list is made from {FAKER}: "
            f"pip install faker=={FAKER}, or change FAKER in this file and commit the new list"
        )
    table = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(person.__path__)):
        provider = importlib.import_module(f"{person.__name__}.{module}").Provider
        spelled = given_names(provider, person.Provider)
        table[module] = (len(spelled), {k for k in map(kept, spelled) if k})
    return table


def build():
    """The two files as strings: (names.txt, names.md)."""
    import faker

    table = collect()
    locales = [locale for locale, (_, names) in table.items() if names]
    code = dict(zip(locales, CODES, strict=False))
    if len(code) < len(locales):
        sys.exit(f"{len(locales)} locales, and only {len(CODES)} one-letter codes for them")
    owners = {}
    for locale in locales:
        for name in table[locale][1]:
            owners.setdefault(name, []).append(code[locale])

    lines = [
        "# Given names, a-z, one a line, with the locales that have it. Where from: names.md.",
        f"# Made by tools/make_names.py from faker {FAKER}; change the script, not this file.",
    ]
    lines += [f"# {code[locale]} = {locale} = {PLACES[locale]}" for locale in locales]
    lines += [f"{name} {''.join(owners[name])}" for name in sorted(owners)]
    rows = "\n".join(
        f"| `{locale}` | {PLACES.get(locale, '')} | {total} | {len(names)} |"
        for locale, (total, names) in table.items()
    )
    licence = Path(faker.__file__).parents[1] / f"faker-{FAKER}.dist-info/licenses/LICENSE.txt"
    about = f"""# Where `names.txt` comes from

{len(owners):,} distinct given names, a-z, from {len(locales)} locales. The script
`tools/make_names.py` takes them out of the person providers of
[faker](https://github.com/joke2k/faker) {FAKER}: change the script, not the files.

**What is kept.** A name whose lower-case spelling is two or more letters, all of them
a-z, once, with every locale that has it. Nothing is respelled, so a name with an accent,
a hyphen, a space or another script is left out, and locales that write in another script
have no names here, unless faker gives a romanised spelling (`ja_JP`, `zh_CN`).
Names are facts about languages, not records of people: no name has a person, a count
or a frequency beside it.

**What to bear in mind.** faker collected each locale's list in its own way, and says how
in comments in its source (births registers, statistics offices, name books): `en` and
`en_US` hold names frequent in the lists of the United States' Social Security
Administration. The sizes below say how much of each locale there was to collect from,
not how many people bear the names.

| locale | where | names in faker | kept here |
|---|---|---|---|
{rows}

A name that several locales share counts once in each.

## Licence of the source

faker is under the MIT licence:

```
{licence.read_text(encoding="utf-8").strip()}
```
"""
    return "\n".join(lines) + "\n", about


def main():
    """Write the files, or compare them with `--check`."""
    names, about = build()
    files = {FOLDER / "names.txt": names, FOLDER / "names.md": about}
    if "--check" in sys.argv[1:]:
        wrong = [p.name for p, t in files.items() if p.read_bytes() != t.encode()]
        sys.exit(f"not what the script makes: {', '.join(wrong)}" if wrong else 0)
    for path, content in files.items():
        path.write_bytes(content.encode())
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
