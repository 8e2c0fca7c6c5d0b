# Numbers that a master loaded, as a list of short vectors or as one matrix, and a worker (of mcparallel, as in mclapply)
# that adds up some of them. Reads "go", then the end.
how <- commandArgs(TRUE)[1]
count <- 200000
all <- if (how == "row") {
    rbind(seq_len(count), seq_len(count) + 0.5, seq_len(count) * 2)
} else {
    lapply(seq_len(count), function(i) c(i, i + 0.5, i * 2))
}
invisible(gc())
orders <- file("stdin", "r")
go <- tempfile()
done <- paste0(go, ".done")
sum_of <- list(
    loop = function() { sum <- 0; for (i in seq_len(count)) sum <- sum + sqrt(all[[i]][1]); sum },
    apply = function() sum(vapply(all, function(one) sqrt(one[1]), 0)),
    row = function() sum(sqrt(all[1, ]))
)
worker <- parallel::mcparallel({
    while (!file.exists(go)) Sys.sleep(0.05)
    sum_of[[how]]()
    file.create(done)
    Sys.sleep(1000)
})
say <- function(what) { cat(what, "\n", sep = ""); flush(stdout()) }
say(sprintf("{\"master\": %d}", Sys.getpid()))
invisible(readLines(orders, 1))
invisible(file.create(go))
while (!file.exists(done)) Sys.sleep(0.05)
say("{\"done\": true}")
invisible(readLines(orders))
tools::pskill(worker$pid, tools::SIGKILL)
