meridian_fuzz(policy SOURCES policy.c LINK model)
