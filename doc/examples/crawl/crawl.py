"""Crawls websites. Each page is a task: it is fetched, read, and each link on it becomes another task.

Nothing here knows how many workers there are. That a site is asked once in a while only, whoever asks, comes from its
queue (max_active: 1 in crawl.yaml) and from the pause in get(). That no page is fetched twice comes from the tasks'
ids: a task with an id that is known already is not another task.
"""
import functools
import hashlib
import http.client
import os
import string
import urllib.error
import urllib.parse
import urllib.request
import urllib.robotparser
from html.parser import HTMLParser
from time import sleep

import muster

AGENT = "muster-example-crawler"
SITES = os.environ["SITES"].split()  # their queues; links to other sites are not followed
PAUSE = float(os.environ["PAUSE"])  # seconds before each request to a site
TIMEOUT = 20  # seconds for an answer
BYTES = 2_000_000  # of a page; the rest is not read


@muster.task("Crawl")
def start(url, depth=10):
    """Crawls from this page on, `depth` links far."""
    if not visit(url, "", depth):
        raise ValueError(f"{url} is of none of the sites {', '.join(SITES)}")


@muster.task("Crawl")
def page(url, depth):
    rules = robots(urllib.parse.urljoin(url, "/robots.txt"))
    if not rules.can_fetch(AGENT, url):
        return {"url": url, "skipped": "robots.txt says so"}
    status, headers, text = get(url, rules.crawl_delay(AGENT))
    found = Page(text)
    if headers["Location"]:  # a redirect is a link like any other, and waits for its turn
        found.links = [headers["Location"]]
    if depth > 0:
        for link in found.links:
            visit(url, link, depth - 1)
    # The place for what you want of the page. What is returned is kept as the task's result.
    return {"url": url, "status": status, "title": found.title.strip(), "links": len(found.links)}


def visit(base, link, depth):
    """Makes a task of the page that the link on `base` leads to, if it is of our sites and not known yet."""
    try:
        url = urllib.parse.urldefrag(urllib.parse.urljoin(base, link.strip())).url
        site = urllib.parse.urlsplit(url)
    except ValueError:  # people write anything into links
        return False
    url = urllib.parse.quote(url, safe=string.punctuation)  # spaces, umlauts
    queue = site.netloc.replace(":", "-")
    if site.scheme not in ("http", "https") or queue not in SITES:
        return False
    muster.push("Crawl", "page", url, depth, queue=queue, id=hashlib.sha256(url.encode()).hexdigest())
    return True


class Page(HTMLParser):
    """The title of a page, and where it links to."""

    def __init__(self, text):
        super().__init__()
        self.title, self.links, self.in_title = "", [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.in_title = tag == "title"
        if tag == "a":
            self.links += [value for name, value in attributes if name == "href" and value]

    def handle_endtag(self, tag):
        self.in_title = False

    def handle_data(self, text):
        if self.in_title:
            self.title += text


class AsItIs(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed behind our back."""

    def redirect_request(self, *_):
        return None


web = urllib.request.build_opener(AsItIs)
web.addheaders = [("User-Agent", AGENT)]


def get(url, pause=None):
    """(status, headers, text). What may be better later is another execution of the task: the queue says when, how often."""
    pause = max(PAUSE, float(pause or 0))
    muster.beat(for_=f"{int(pause) + TIMEOUT + 10}s")  # the next sign of life may take so long
    sleep(pause)  # the queue has max_active: 1, so nobody else asks this site meanwhile
    try:
        with web.open(url, timeout=TIMEOUT) as answer:
            is_page = answer.headers.get_content_maintype() == "text"
            return answer.status, answer.headers, answer.read(BYTES).decode(errors="replace") if is_page else ""
    except urllib.error.HTTPError as answer:
        if answer.code == 429 or answer.code >= 500:
            raise muster.Retry(f"{url} answers {answer.code}")
        return answer.code, answer.headers, ""
    except (OSError, http.client.HTTPException) as problem:
        raise muster.Retry(f"{url}: {problem}")


@functools.cache
def robots(url):
    """A site's rules for robots, asked for once by each process."""
    rules = urllib.robotparser.RobotFileParser()
    rules.parse(get(url)[2].splitlines())
    return rules
