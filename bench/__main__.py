"""`make bench`"""

from bench import imports, pages

if __name__ == "__main__":
    imports.run()
    pages.run()
