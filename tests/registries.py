"""What the package itself brings to a registry; other tests of the process may have imported plugins."""


def shipped(registry):
    """Names of the registry's components that come with hqlm."""
    return {name for name, component in registry.items() if component.__module__.startswith("hqlm.")}
