"""What a training will need, before it is started: parameters, memory, arithmetic, hours, and whether all is there."""
