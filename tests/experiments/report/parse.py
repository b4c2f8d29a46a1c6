"""A page taken apart."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Elements with their attributes and text, and whether all tags were closed."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict, list[str]]] = []
        self.open: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        words: list[str] = []
        self.elements.append((tag, dict(attrs), words))
        if tag not in VOID:
            self.open.append((tag, words))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, words in self.open:
            words.append(data)

    def find(self, tag: str, **attributes: str) -> list[tuple[dict, str]]:
        """The elements with these attributes, and their text without line breaks."""
        return [
            (have, "".join(words).replace("\n", ""))
            for name, have, words in self.elements
            if name == tag and attributes.items() <= have.items()
        ]
