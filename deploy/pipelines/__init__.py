"""Pipelines that release the suite: GitHub Actions (`.github/workflows/release.yml`), and CodePipeline for one app."""
