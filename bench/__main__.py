"""`make bench`"""

from bench import imports, pages, signatures, thumbnails

if __name__ == "__main__":
    imports.run()
    thumbnails.run()
    pages.run()
    signatures.run()
