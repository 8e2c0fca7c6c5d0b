# Trips that are loaded once, and workers that add up their lengths. `Rscript trips.R` has a list of short vectors,
# `Rscript trips.R fixed` one matrix with the same numbers.
library(parallel)

fixed <- identical(commandArgs(TRUE), "fixed")
count <- 300000
trips <- if (fixed) {
    rbind(from = seq_len(count), to = seq_len(count) + 0.5, length = seq_len(count) %% 90)
} else {
    lapply(seq_len(count), function(i) c(from = i, to = i + 0.5, length = i %% 90))
}

longest <- function(at_least) {
    if (fixed) {
        return(sum(trips["length", ] >= at_least))
    }
    found <- 0
    for (trip in trips) if (trip[["length"]] >= at_least) found <- found + 1
    found
}

work <- function(worker) {
    Sys.sleep(2)
    for (round in 1:20) {
        longest(worker * 10)
        Sys.sleep(1)
    }
}
invisible(mclapply(1:4, work, mc.cores = 4))
