"""What is refused to those who run the platform, or who say they do."""

from mystira.polyglot.problem import Kind, Problem


class NameUnusable(Problem):
    """{name} cannot be a name here. Use up to 40 small letters, digits, dots, dashes or underscores."""

    kind = Kind.UNPROCESSABLE


class PasswordTooShort(Problem):
    """Choose a password of {least} to {most} characters. Several words are easy to remember and hard to guess."""

    kind = Kind.UNPROCESSABLE


class RoleUnknown(Problem):
    """There is no role {role}. Choose one of {roles}."""

    kind = Kind.UNPROCESSABLE


class NameTaken(Problem):
    """There is an administrator {name} already. Choose another name, or set a new password for this one."""

    kind = Kind.CONFLICT


class AdminNotFound(Problem):
    """There is no administrator {name}. `mystira admin list` shows who there is."""

    kind = Kind.NOT_FOUND


class SignInRefused(Problem):
    """This name and password do not go together. Check both, then try again."""

    kind = Kind.UNPROCESSABLE
