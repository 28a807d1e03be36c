"""Running a model without running it: fake tensors, module scopes, and the dispatch mode that books every operator."""
