CREATE TABLE run (
  id TEXT NOT NULL PRIMARY KEY, -- unique among all runs
  finished INTEGER NOT NULL, -- 1 if the trace came to its end, 0 if it was cut off
  tool_version TEXT NOT NULL,
  started_at TEXT NOT NULL, -- RFC 3339
  duration_ns INTEGER NOT NULL, -- what the counts are of, if it was cut off
  backend TEXT NOT NULL,
  kernel TEXT NOT NULL,
  arch TEXT NOT NULL,
  page_bytes INTEGER NOT NULL,
  cpus INTEGER NOT NULL,
  range_bytes INTEGER NOT NULL,
  timeline_interval_ns INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE targets (
  position INTEGER PRIMARY KEY,
  pid INTEGER NOT NULL
);

CREATE TABLE untraced_donors (
  position INTEGER PRIMARY KEY,
  pid INTEGER NOT NULL, -- a target
  donor_pid INTEGER NOT NULL, -- from which it has its memory, and which is not traced
  donor_comm TEXT NOT NULL,
  is_parent INTEGER NOT NULL -- 1 if that is its parent
);

CREATE TABLE traced_targets (
  position INTEGER PRIMARY KEY,
  name TEXT NOT NULL, -- the user's, or made from what it is
  what TEXT NOT NULL -- pid 4242, unit web.service
);

CREATE TABLE labels (
  position INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  value TEXT NOT NULL
);

CREATE TABLE backend_unseen (
  position INTEGER PRIMARY KEY,
  what TEXT NOT NULL -- what the backend cannot see
);

CREATE TABLE backends_rejected (
  position INTEGER PRIMARY KEY,
  backend TEXT NOT NULL,
  reason TEXT NOT NULL
);

CREATE TABLE loss (
  position INTEGER PRIMARY KEY,
  cause TEXT NOT NULL,
  count INTEGER NOT NULL,
  meaning TEXT NOT NULL
);

CREATE TABLE processes (
  id INTEGER PRIMARY KEY, -- of the run; pids are reused
  pid INTEGER NOT NULL,
  parent_id INTEGER, -- whose memory it inherited
  comm TEXT NOT NULL,
  role TEXT NOT NULL, -- master, worker
  started_ns INTEGER NOT NULL, -- 0: was there before
  exited_ns INTEGER,
  anon INTEGER NOT NULL, -- pages copied, by source
  file INTEGER NOT NULL,
  zero INTEGER NOT NULL,
  ksm INTEGER NOT NULL,
  hugetlb INTEGER NOT NULL,
  unknown INTEGER NOT NULL,
  reused_faults INTEGER NOT NULL,
  inherited_pages INTEGER
);

CREATE TABLE exits (
  process_id INTEGER PRIMARY KEY, -- that ended in the trace, where it is known how
  status INTEGER, -- it ended by itself, with this
  signal INTEGER, -- or was killed by this
  with_trace INTEGER NOT NULL, -- 1 if a signal that ended the trace came at the same time
  oom_kills INTEGER NOT NULL -- processes that the kernel killed for lack of memory meanwhile
);

CREATE TABLE process_targets (
  process_id INTEGER PRIMARY KEY, -- that belongs to a target
  target INTEGER NOT NULL -- its position in traced_targets
);

CREATE TABLE command_lines (
  process_id INTEGER PRIMARY KEY, -- whose command line is known
  text TEXT NOT NULL -- script or program without its folder, arguments; values that look like secrets hidden
);

CREATE TABLE oom_victims (
  process_id INTEGER PRIMARY KEY -- the kernel killed it for lack of memory
);

CREATE TABLE uncounted (
  process_id INTEGER PRIMARY KEY -- which pages it had is not known: it inherited or passed on more than is told
);

CREATE TABLE regions (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL, -- whose mapping it is
  start_address INTEGER NOT NULL,
  end_address INTEGER NOT NULL, -- after the last
  name TEXT NOT NULL,
  kind TEXT NOT NULL, -- heap, anon, file, stack, shared, special
  perms TEXT NOT NULL,
  file_offset INTEGER NOT NULL,
  resident_pages INTEGER NOT NULL,
  anonymous_pages INTEGER NOT NULL,
  huge_page_bytes INTEGER NOT NULL,
  mergeable INTEGER NOT NULL,
  inheritors INTEGER NOT NULL,
  inherited_pages INTEGER NOT NULL, -- over all inheritors
  copied_pages INTEGER NOT NULL,
  unshared_pages INTEGER NOT NULL
);

CREATE TABLE ranges (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  region_id INTEGER, -- none: memory that the process mapped itself, or unknown
  start_address INTEGER, -- none: found no room in the histogram
  mapping TEXT, -- the process's own mapping, where there is no region
  anon INTEGER NOT NULL, -- pages copied, by source
  file INTEGER NOT NULL,
  zero INTEGER NOT NULL,
  ksm INTEGER NOT NULL,
  hugetlb INTEGER NOT NULL,
  unknown INTEGER NOT NULL,
  reused_faults INTEGER NOT NULL
);

CREATE TABLE writers (
  id INTEGER PRIMARY KEY, -- most copies first
  kind TEXT NOT NULL, -- refcount, gc, other, kernel
  type TEXT,
  function TEXT,
  module TEXT,
  system_call INTEGER,
  region_id INTEGER,
  python_stack_id INTEGER,
  native_stack_id INTEGER,
  copied_pages INTEGER NOT NULL
);

CREATE TABLE writer_inlined (
  writer_id INTEGER NOT NULL,
  position INTEGER NOT NULL, -- 0 is the innermost
  function TEXT NOT NULL, -- inlined into the writer's function
  PRIMARY KEY (writer_id, position)
) WITHOUT ROWID;

CREATE TABLE writer_stores (
  writer_id INTEGER PRIMARY KEY,
  store TEXT NOT NULL -- increment, decrement, bits, same, zero, pointer, block, push, value
);

CREATE TABLE python_frames (
  id INTEGER PRIMARY KEY,
  function TEXT NOT NULL,
  file TEXT NOT NULL,
  line INTEGER
);

CREATE TABLE python_stacks (
  stack_id INTEGER NOT NULL,
  depth INTEGER NOT NULL, -- 0 is the innermost frame
  frame_id INTEGER NOT NULL,
  PRIMARY KEY (stack_id, depth)
) WITHOUT ROWID;

CREATE TABLE python_stack_ends (
  stack_id INTEGER PRIMARY KEY,
  ending TEXT NOT NULL -- what comes after the last frame: outermost (nothing), limit, lost
);

CREATE TABLE native_frames (
  id INTEGER PRIMARY KEY,
  function TEXT, -- none: calls that are not known
  module TEXT,
  inlined INTEGER NOT NULL -- 1: part of the next frame of the stack
);

CREATE TABLE native_stacks (
  stack_id INTEGER NOT NULL,
  depth INTEGER NOT NULL,
  frame_id INTEGER NOT NULL,
  PRIMARY KEY (stack_id, depth)
) WITHOUT ROWID;

CREATE TABLE native_stack_ends (
  stack_id INTEGER PRIMARY KEY,
  ending TEXT NOT NULL
);

CREATE TABLE perf_map_problems (
  position INTEGER PRIMARY KEY,
  pid INTEGER NOT NULL, -- made code at run time, and told of it in /tmp/perf-PID.map
  problem TEXT NOT NULL -- why that was not used, or not all of it
);

CREATE TABLE unnamed_functions (
  position INTEGER PRIMARY KEY,
  function TEXT NOT NULL, -- what stands for its name, in order
  module TEXT NOT NULL,
  before TEXT, -- the exported function before it, which is another function
  before_apart INTEGER, -- so many functions farther: 1 if nothing is between them
  after TEXT,
  after_apart INTEGER,
  part TEXT -- of an interpreter: cpython-collector, ruby-collector, ...
);

CREATE TABLE stripped_files (
  position INTEGER PRIMARY KEY,
  module TEXT NOT NULL, -- in order
  build_id TEXT,
  package TEXT, -- of Debian's kind
  distribution TEXT, -- ID of its os-release
  is_in_container INTEGER NOT NULL -- 1: lies in another root than that of cowtrace
);

CREATE TABLE holders (
  id INTEGER PRIMARY KEY, -- most copies first
  process_id INTEGER NOT NULL, -- whose variable it is
  path TEXT NOT NULL,
  type TEXT,
  entries INTEGER,
  copied_pages INTEGER NOT NULL
);

CREATE TABLE holder_types (
  holder_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  type TEXT NOT NULL, -- of the objects that were written
  copied_pages INTEGER NOT NULL,
  PRIMARY KEY (holder_id, position)
) WITHOUT ROWID;

CREATE TABLE holder_sharers (
  holder_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  path TEXT NOT NULL, -- another variable that holds the same objects
  copied_pages INTEGER NOT NULL, -- of the holder's
  PRIMARY KEY (holder_id, position)
) WITHOUT ROWID;

CREATE TABLE holder_savings (
  holder_id INTEGER PRIMARY KEY,
  pages_with INTEGER NOT NULL, -- copied pages on which any of it lies
  pages_alone INTEGER NOT NULL, -- of these, with nothing else that is used
  saved_pages INTEGER NOT NULL, -- by moving it out of the heap, at most
  saved_together_pages INTEGER NOT NULL, -- by moving its neighbours too, at most
  is_sampled INTEGER NOT NULL -- whether only some of the copied pages were looked at
);

CREATE TABLE holder_neighbours (
  holder_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  path TEXT NOT NULL, -- another variable on the same pages
  pages INTEGER NOT NULL, -- copied pages with both
  PRIMARY KEY (holder_id, position)
) WITHOUT ROWID;

CREATE TABLE freeze_savings (
  walk_id INTEGER PRIMARY KEY,
  header_pages INTEGER NOT NULL, -- copied by a write to a header of CPython's collector
  saved_pages INTEGER NOT NULL, -- of these, not copied if it does not write, at most
  is_bound INTEGER NOT NULL -- whether it may be less
);

CREATE TABLE reading_reach (
  walk_id INTEGER PRIMARY KEY,
  pages INTEGER NOT NULL, -- of the process that was read
  with_counts INTEGER NOT NULL -- of these, with a reference count: reading alone copies no others
);

CREATE TABLE heap_walks (
  position INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL, -- whose memory was copied
  read_process_id INTEGER, -- the process that was read
  asked_pages INTEGER NOT NULL,
  held_pages INTEGER NOT NULL,
  by_page INTEGER NOT NULL,
  objects INTEGER NOT NULL,
  bytes_read INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  is_partial INTEGER NOT NULL,
  is_compared INTEGER NOT NULL,
  at_ns INTEGER, -- when, if before the end
  has_changed INTEGER NOT NULL,
  failure TEXT
);

CREATE TABLE heap_walk_free (
  walk_position INTEGER NOT NULL,
  position INTEGER NOT NULL,
  allocator TEXT NOT NULL, -- 'pymalloc', 'malloc', 'mimalloc'
  copied_pages INTEGER NOT NULL, -- whose first written address was free
  in_use_bytes INTEGER NOT NULL, -- of these pages, in each copy, by blocks in use
  free_bytes INTEGER NOT NULL, -- of these pages, each once
  PRIMARY KEY (walk_position, position)
) WITHOUT ROWID;

CREATE TABLE timeline (
  id INTEGER PRIMARY KEY,
  at_ns INTEGER NOT NULL,
  copied_pages INTEGER NOT NULL, -- since the start, as all counts
  reused_faults INTEGER NOT NULL
);

CREATE TABLE timeline_changes (
  process_id INTEGER NOT NULL,
  sample_id INTEGER NOT NULL,
  copied_pages INTEGER NOT NULL, -- from this sample on, until the process's next row
  PRIMARY KEY (process_id, sample_id)
) WITHOUT ROWID;

CREATE TABLE timeline_touches (
  sample_id INTEGER PRIMARY KEY,
  touched_pages INTEGER NOT NULL -- first touches of new memory since the start
);

CREATE TABLE timeline_held (
  process_id INTEGER NOT NULL,
  sample_id INTEGER NOT NULL,
  held_pages INTEGER NOT NULL, -- anonymous pages that it has from this sample on, 0 if it has ended
  PRIMARY KEY (process_id, sample_id)
) WITHOUT ROWID;

CREATE TABLE timeline_touched (
  process_id INTEGER NOT NULL,
  sample_id INTEGER NOT NULL,
  touched_pages INTEGER NOT NULL, -- of new memory, from this sample on, as timeline_changes
  PRIMARY KEY (process_id, sample_id)
) WITHOUT ROWID;

CREATE TABLE first_touches (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  kind TEXT, -- of the mapping, as in regions; none: not known
  pages INTEGER NOT NULL -- of new memory, since the start of the trace
);

CREATE TABLE held_before (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  pages INTEGER NOT NULL -- anonymous pages that it had when it was first traced
);

CREATE TABLE balances (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  at_ns INTEGER NOT NULL,
  copied_pages INTEGER NOT NULL, -- in the trace by then
  is_known TEXT NOT NULL, -- exact, sampled, coarse, unknown
  shared_pages INTEGER NOT NULL, -- with the process that it inherited from
  unshared_pages INTEGER NOT NULL, -- both have the address, and other memory there
  new_pages INTEGER NOT NULL, -- only it has the address
  gone_pages INTEGER NOT NULL, -- only the other has it
  swapped_pages INTEGER NOT NULL,
  error_pages INTEGER NOT NULL -- of each figure, in 19 of 20 samples
);

CREATE TABLE machine (
  id INTEGER PRIMARY KEY, -- a reading; times are since the start of the trace
  at_ns INTEGER NOT NULL,
  total_bytes INTEGER NOT NULL, -- as in /proc/meminfo
  free_bytes INTEGER NOT NULL,
  per_cpu_lists_bytes INTEGER NOT NULL, -- free too, by /proc/zoneinfo
  available_bytes INTEGER,
  anonymous_bytes INTEGER NOT NULL,
  cached_bytes INTEGER NOT NULL, -- with shared memory
  buffers_bytes INTEGER NOT NULL,
  shmem_bytes INTEGER NOT NULL,
  slab_bytes INTEGER NOT NULL,
  slab_unreclaimable_bytes INTEGER NOT NULL,
  page_tables_bytes INTEGER NOT NULL,
  secondary_page_tables_bytes INTEGER,
  percpu_bytes INTEGER,
  vmalloc_bytes INTEGER NOT NULL,
  hugetlb_bytes INTEGER,
  zswap_bytes INTEGER,
  swap_used_bytes INTEGER NOT NULL
);

CREATE TABLE machine_sockets (
  reading_id INTEGER PRIMARY KEY,
  tcp_in_use INTEGER NOT NULL, -- of the traced processes' network namespace
  time_wait INTEGER NOT NULL, -- likewise
  tcp_orphaned INTEGER NOT NULL, -- of the machine, as all that follow
  tcp_allocated INTEGER NOT NULL,
  tcp_bytes INTEGER NOT NULL,
  udp_bytes INTEGER NOT NULL,
  fragments_bytes INTEGER NOT NULL -- of the namespace
);

CREATE TABLE machine_cgroup (
  reading_id INTEGER PRIMARY KEY,
  usage_bytes INTEGER, -- null: not counted by this kernel
  anonymous_bytes INTEGER,
  file_bytes INTEGER, -- page cache without shared memory
  shmem_bytes INTEGER,
  kernel_bytes INTEGER,
  sockets_bytes INTEGER,
  swap_bytes INTEGER,
  oom_kills INTEGER
);

CREATE TABLE machine_service (
  reading_id INTEGER PRIMARY KEY,
  processes INTEGER NOT NULL, -- traced ones that lived and were read
  is_partial INTEGER NOT NULL, -- 1 if there were more
  page_tables_bytes INTEGER NOT NULL,
  swapped_bytes INTEGER NOT NULL
);

CREATE TABLE machine_service_shared (
  reading_id INTEGER PRIMARY KEY,
  sum_bytes INTEGER NOT NULL, -- shared memory that traced processes have present, for each
  most_bytes INTEGER NOT NULL -- of the process that has most
);

CREATE TABLE memory_kills (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL, -- the kernel killed it for lack of memory
  is_machine INTEGER NOT NULL, -- 1: of the machine; 0: the limit of a cgroup was reached
  cgroup TEXT, -- which; none: the kernel did not write it
  limit_bytes INTEGER
);

CREATE TABLE machine_place (
  id INTEGER PRIMARY KEY, -- 0
  cgroup TEXT, -- the lowest that all traced processes are in
  is_alone INTEGER NOT NULL, -- 1 if it has no others
  limit_bytes INTEGER, -- the smallest above it
  usage_bytes INTEGER, -- of the cgroup with that limit
  file_bytes INTEGER,
  limit_cgroup TEXT
);

CREATE TABLE machine_elsewhere (
  id INTEGER PRIMARY KEY, -- 0
  grown_pages INTEGER NOT NULL, -- anonymous pages that processes have more which were not traced
  processes INTEGER NOT NULL,
  is_partial INTEGER NOT NULL -- 1 if there were too many to read
);

CREATE TABLE machine_growers (
  id INTEGER PRIMARY KEY, -- most first
  pid INTEGER NOT NULL,
  started_ticks INTEGER NOT NULL, -- since boot
  name TEXT NOT NULL,
  anonymous_pages INTEGER NOT NULL,
  grown_pages INTEGER NOT NULL,
  is_new INTEGER NOT NULL -- 1 if it was not there at the start
);

CREATE TABLE growers (
  id INTEGER PRIMARY KEY, -- most pages first
  process_id INTEGER NOT NULL, -- whose memory is new
  kind TEXT, -- of the mapping, as in regions; none: not known
  function TEXT, -- that touched it first, or made the system call
  module TEXT,
  system_call INTEGER,
  python_stack_id INTEGER,
  native_stack_id INTEGER,
  sampled_touches INTEGER NOT NULL,
  pages INTEGER NOT NULL -- that the sample stands for
);

CREATE TABLE grown_heaps (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  new_pages INTEGER NOT NULL, -- at the end of the trace
  read_pages INTEGER NOT NULL, -- of these; the figures below are of all, in proportion
  objects INTEGER NOT NULL, -- that live on the new pages
  bytes INTEGER NOT NULL, -- with their tables
  unheld_objects INTEGER NOT NULL, -- that no variable was found to hold
  unheld_bytes INTEGER NOT NULL,
  cyclic_objects INTEGER, -- of the unheld, those that only each other hold
  held_bytes INTEGER NOT NULL, -- that variables hold, with tables of older objects
  collects INTEGER, -- 1 if the garbage collector is on
  is_partial INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  failure TEXT
);

CREATE TABLE grown_types (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  type TEXT NOT NULL,
  is_container INTEGER NOT NULL, -- 1 if its objects can be part of a reference cycle
  objects INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  unheld_objects INTEGER NOT NULL,
  unheld_bytes INTEGER NOT NULL
);

CREATE TABLE grown_variables (
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  type TEXT,
  entries INTEGER,
  objects INTEGER NOT NULL, -- on the new pages
  bytes INTEGER NOT NULL
);

CREATE VIEW process_copies AS
SELECT id AS process_id, pid, comm, role,
  anon + file + zero + ksm + hugetlb + unknown AS copied_pages,
  (anon + file + zero + ksm + hugetlb + unknown) * page_bytes AS copied_bytes,
  inherited_pages * page_bytes AS inherited_bytes, reused_faults
FROM processes, (SELECT page_bytes FROM run)
ORDER BY copied_pages DESC;

CREATE VIEW region_copies AS
SELECT regions.id AS region_id, processes.pid AS owner_pid, name, kind,
  printf('0x%x', start_address) AS start, end_address - start_address AS size_bytes,
  inheritors, copied_pages, copied_pages * page_bytes AS copied_bytes,
  min(1.0, CAST(unshared_pages AS REAL) / nullif(regions.inherited_pages, 0)) AS unshared_fraction
FROM regions LEFT JOIN processes ON processes.id = regions.process_id,
  (SELECT page_bytes FROM run)
ORDER BY copied_pages DESC;

CREATE VIEW range_copies AS
SELECT ranges.process_id, pid, comm, region_id, coalesce(regions.name, mapping) AS name,
  ranges.start_address, printf('0x%x', ranges.start_address) AS start,
  ranges.anon + ranges.file + ranges.zero + ranges.ksm + ranges.hugetlb + ranges.unknown
    AS copied_pages,
  (ranges.anon + ranges.file + ranges.zero + ranges.ksm + ranges.hugetlb + ranges.unknown)
    * page_bytes AS copied_bytes,
  ranges.reused_faults
FROM ranges LEFT JOIN processes ON processes.id = ranges.process_id
  LEFT JOIN regions ON regions.id = ranges.region_id, (SELECT page_bytes FROM run);

CREATE VIEW writer_copies AS
SELECT writers.id AS writer_id, writers.kind, type, writers.function, module,
  python_frames.function AS python_function, file AS python_file, line AS python_line,
  name AS region, writers.copied_pages, writers.copied_pages * page_bytes AS copied_bytes
FROM writers LEFT JOIN python_stacks ON stack_id = python_stack_id AND depth = 0
  LEFT JOIN python_frames ON python_frames.id = frame_id
  LEFT JOIN regions ON regions.id = writers.region_id, (SELECT page_bytes FROM run)
ORDER BY writers.copied_pages DESC;

CREATE VIEW timeline_copies AS
SELECT timeline.id AS sample_id, at_ns / 1e9 AS seconds, processes.id AS process_id, pid, comm,
  coalesce((SELECT copied_pages FROM timeline_changes
    WHERE process_id = processes.id AND sample_id <= timeline.id
    ORDER BY sample_id DESC LIMIT 1), 0) AS copied_pages
FROM timeline, processes;
