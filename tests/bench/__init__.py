"""What `scripts/bench` measures. A suite is a module here with `rows(bench)`, which yields `Row`s."""
