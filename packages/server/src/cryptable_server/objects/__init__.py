"""Object stores: what is kept in a bucket that several servers share."""
