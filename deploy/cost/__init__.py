"""What a stage costs: per month while nobody uses it, and for each unit of work.

The amounts are computed from the templates and the parameters of the stage, and from `prices.toml` with AWS's prices
and the assumptions on usage. They leave out free tiers, taxes, stored data, and transfer between Regions and zones.
"""
