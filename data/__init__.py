"""Programs that bring data sets into the place where `--data_root` finds them."""
