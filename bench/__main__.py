"""Run all benchmarks: `make bench`."""

from bench import cleanse, edge, imports, links, pages, reports, signatures, thumbnails

if __name__ == "__main__":
    imports.run()
    thumbnails.run()
    pages.run()
    signatures.run()
    links.run()
    edge.run()
    cleanse.run()
    reports.run()
