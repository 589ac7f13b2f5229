"""`make bench`"""

from bench import cleanse, imports, pages, reports, thumbnails

if __name__ == "__main__":
    imports.run()
    thumbnails.run()
    pages.run()
    cleanse.run()
    reports.run()
