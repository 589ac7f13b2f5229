"""The errors of a deployment. Their messages are for the person who runs the command."""

from __future__ import annotations


class DeployError(Exception):
    """A deploy command failed; the message says why."""


class NoAccount(DeployError):
    """This environment points to no account; the message says what to do."""


class StackFailed(DeployError):
    """CloudFormation could not create, update or delete a stack; the message has its reasons."""


class PackageFailed(DeployError):
    """`chalice package` or pip failed; the message is what it printed, or where the code of the app is wrong."""


class InvalidStage(DeployError):
    """No stage can have this name."""


class NotDeployed(DeployError):
    """The stage lacks what the app needs, the app has no such step, or no template of it has such a parameter."""


class AlreadyDeployed(DeployError):
    """The stage has the app already, deployed in the other way."""


class NotPublished(DeployError):
    """The function that publishes the site failed; the message has its error."""


class UnknownPlace(DeployError):
    """A policy names a value that the stage does not have; the message names the file and the value."""


class NotCloned(DeployError):
    """This stage cannot be cloned, or not under this name."""


class ReleaseRefused(DeployError):
    """A release of software was not published; the message has the publisher's reason."""


class NotDeleted(DeployError):
    """This stage is not deleted."""


class NotVerified(DeployError):
    """A step of a journey through the stage failed; the message names it, and what was expected and what came."""


class NotAttacked(DeployError):
    """An attack on the stage was admitted, or could not be tried; the message names it."""


class NotRestored(DeployError):
    """Nothing can be restored from there; the message says why, and from where it could."""
