// replaced by the first real cases file
