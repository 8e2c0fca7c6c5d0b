# A puma service whose catalogue is loaded before its workers are forked.
catalogue = Array.new(400_000) do |number|
  { "sku" => "sku-#{number}", "name" => "Article number #{number} with a rather long name", "price" => number % 10_000 }
end

bind "unix://#{ENV.fetch("SOCKET")}"
workers 4
threads 1, 1
preload_app!

if ENV["COMPACT"]
  # What the gem nakayoshi_fork did: objects that survive four collections are old, and are not marked again.
  before_fork do
    4.times { GC.start }
    GC.compact
  end
end

app do |_env|
  first = rand(catalogue.size - 300)
  found = catalogue[first, 300].min_by { |article| article["price"] }
  [200, { "Content-Type" => "text/plain" }, [found["name"]]]
end
