"""`make bench`"""

from bench import edge, imports, pages, thumbnails

if __name__ == "__main__":
    imports.run()
    thumbnails.run()
    pages.run()
    edge.run()
