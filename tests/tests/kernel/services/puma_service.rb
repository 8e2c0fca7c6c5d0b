# A puma service that is loaded before its workers are forked; each answers with its process id.

# Longer than strings that Ruby stores in the object itself.
titles = Array.new(200_000) { |number| "a rather long title of article #{number}" }

bind "unix://#{ENV.fetch("SOCKET")}"
workers 2
threads 1, 1
preload_app!

# What cowtrace advises for a Ruby before 3.3.
if ENV["TIDY"]
  before_fork do
    4.times { GC.start }
    GC.compact
  end
end

app do |env|
  case env["PATH_INFO"]
  when "/collect" then GC.start
  when "/keep" then kept = Array.new(100_000) { |number| [number] }
  when "/change" then titles.each { |title| title << "!" }
  end
  [200, {}, [Process.pid.to_s]]
end
