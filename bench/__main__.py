"""`make bench`"""

from bench import edge, imports, links, pages, signatures, thumbnails

if __name__ == "__main__":
    imports.run()
    thumbnails.run()
    pages.run()
    signatures.run()
    links.run()
    edge.run()
