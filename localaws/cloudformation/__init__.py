"""CloudFormation: it reads templates fast, refuses what AWS refuses, and names what it does not play."""
