# Objects that a master loaded, and a worker that uses them in one way. Reads "go", then the end.
$stdout.sync = true
what = ARGV[0]
module Shop
  class Order
    def initialize(number)
      @number = number
      @total = 0
    end
    attr_writer :total
  end
end
Point = Struct.new(:x, :y)
orders = Array.new(60_000) { |i| Shop::Order.new(i) }
points = Array.new(60_000) { |i| Point.new(i, i) }
# Whether they are all ASCII is not known of texts that were just given an encoding: asking for the length notes it.
names = Array.new(100_000) { |i| "na\u00efve #{i % 7}".b.force_encoding('UTF-8') }
tables = Array.new(25_000) { |i| { i => i } }
# All objects are old, so that the worker's own collections mark none of them in its header.
4.times { GC.start } unless what == 'collect'
order, ordered = IO.pipe
done, answer = IO.pipe
master = $$
worker = fork do
  ordered.close
  order.read(1)
  case what
  when 'write' then orders.each { |it| it.total = 7 }
  when 'struct' then points.each { |it| it.x = 7 }
  when 'length' then names.each(&:length)
  when 'each' then tables.each { |it| it.each { |_, _| } }
  when 'identity' then orders.each(&:object_id)
  when 'collect' then GC.start
  when 'allocate' then Array.new(200_000) { |i| i.to_s }
  end
  answer.write('d')
  sleep 1000
end
puts %({"master": #{master}})
$stdin.gets
ordered.write('g')
done.read(1)
puts '{"done": true}'
nil while $stdin.gets
Process.kill(:KILL, worker)
Process.wait(worker)
