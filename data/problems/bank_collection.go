package problems

// Wordings of collection and backward: somebody's things become more and fewer.
// The gerund phrase follows "after" and "before" in steps and sub-questions.
var (
	startWordings = newBank("start",
		"{A} has {k n}.",
		"{A} starts [the day|the week|out] with {k n}.",
		"At first, {A} has {k n}.",
		"In the [morning|beginning], {A} has {k n}.",
		"There are {k n} in {P} [bag|box|basket].",
		"{A} [owns|counts] {k n}.",
		"{P} [bag|basket] holds {k n}.",
	)
	gainWordings = newBank("gain",
		"{S} [buys|orders|picks up] {k more}. => [buying|ordering|picking up] {k more}",
		"{S} [gets|receives] {k more} from {his} {rel}. => [getting|receiving] {k more} from {his} {rel}",
		"Then {s} [finds|wins|earns] {k more}. => [finding|winning|earning] {k more}",
		"{P} {rel} [gives|brings|sends] {him} {k more}. => getting {k more} from {his} {rel}",
		"The next [day|morning], {s} buys {k more}. => buying {k more} the next [day|morning]",
		"{S} [trades an old toy|swaps a book] for {k more}. => [trading a toy|swapping a book] for {k more}",
		"As a [reward|prize], {s} is given {k more}. => being given {k more} as a [reward|prize]",
		"{S} [adds {k more} to the pile|puts {k more} in the bag]. => adding {k more} to the [pile|bag]",
		"{B} [hands|gives|lends] {him} {k more}. => getting {k more} from {B}",
	)
	loseWordings = newBank("lose",
		"{S} [gives|hands] {k n} to {his} {rel}. => [giving|handing] {k n} to {his} {rel}",
		"{S} [sells|gives away|accidentally loses] {k n}. => [selling|giving away|losing] {k n}",
		"Then {s} [gives|sells] {k n} to {B}. => [giving|selling] {k n} to {B}",
		"{S} [trades|swaps] {k n} for a toy. => [trading|swapping] {k n} for a toy",
		"{S} [misplaces|loses] {k n} on the way home. => [misplacing|losing] {k n}",
		"edible: {S} [eats|uses up] {k n}. => [eating|using up] {k n}",
		"thing: {S} [throws away|donates] {k n}. => [throwing away|donating] {k n}",
		"{P} {rel} [takes|borrows] {k n}. => [giving up|lending] {k n}",
		"Sadly, {k are} [lost|stolen|ruined]. => losing {k n}",
		"{S} leaves {k n} at [school|the park]. => leaving {k n} at [school|the park]",
	)
	timesWordings = newBank("times",
		"{S} keeps [collecting|adding] until {he} has {f} as many {n} as before. => [reaching|getting to] {f} as many",
		"Lucky as {he} is, {s} ends up with {f} as many {n}. => ending up with {f} as many",
		"{S} wins a [game|contest] and now has {f} as many {n}. => winning the [game|contest]",
		"{P} [kind|generous] {rel} brings so many {n} that {A} then has {f} as many. => [meeting the kind|thanking the generous] {rel}",
		"After a trip to the [fair|market], {s} has {f} as many {n} as before. => the trip to the [fair|market]",
		"By the end of the [week|month], {s} has {f} as many {n}. => the end of the [week|month]",
		"{S} [trades well|works hard] and soon has {f} as many {n}. => [trading well|working hard]",
	)
	shareWordings = newBank("share",
		"{S} [splits|sorts|divides] the {n} into {d} equal piles and keeps only one pile. => keeping one of {d} equal [piles|heaps|parts]",
		"{S} puts the {n} into {d} equal [bags|boxes] and keeps only one of them. => keeping one of {d} [bags|boxes]",
		"{S} divides the {n} [equally|evenly] {among} {d} people, {himself} included. => dividing them [equally|evenly] {among} {d} people",
		"{S} keeps only {part} of the {n} and [gives the rest away|sells the rest]. => [keeping|saving] only {part} of the {n}",
		"{S} [gives away|sells] all but {part} of the {n}. => [giving away|selling] all but {part} of the {n}",
		"Only {part} of the {n} [stay|remain] with {A}; the others go to {his} {rel}. => keeping [only|just] {part} of the {n}",
		"{S} and {d1} share the {n} equally, so that each gets {part} of them. => sharing with {d1}",
	)
	countQuestions = newBank("question of a count",
		"How many {n} does {A} have [now|in the end|at the end|after all this|by then|at last]?",
		"What is the number of {n} that {A} [has now|ends up with|has in the end]?",
		"With how many {n} does {A} end up?",
		"Now how many {n} [does {A} have|belong to {A}]?",
	)
	backwardStarts = newBank("unknown start",
		"{A} has some {n}.",
		"{A} starts [the day|the week|out] with some {n}.",
		"There are some {n} in {P} [bag|box|basket].",
		"{A} [owns|counts] a number of {n}.",
		"One [day|morning], {A} has some {n}.",
		"Nobody [knows|remembers] how many {n} {A} has at first.",
	)
	backwardEnds = newBank("known end",
		"Now {A} has {k n}.",
		"In the end, {A} has {k n}[| left].",
		"{A} ends up with {k n}.",
		"After [all this|all of that], {A} has {k n}.",
		"At [the end|last], there are {k n} in {P} bag.",
		"When {A} counts the {n} [again|afterwards], there are {k}.",
		"That [leaves|gives] {A} with {k n} in the end.",
	)
	backwardQuestions = newBank("question of a start",
		"How many {n} did {A} have at [first|the start|the beginning]?",
		"How many {n} did {A} [start with|have to begin with|have before all this|have originally]?",
		"What was the number of {n} that {A} had at [first|the start|the beginning]?",
		"With how many {n} did {A} [start|begin]?",
		"What number of {n} did {A} [start|begin] with?",
	)

	otherOwnerWordings = newBank("other owner",
		"A [classmate|neighbor|cousin] named {A} has {k n}.",
		"{A}, a [friend|classmate|teammate], [has|owns|counts] {k n}.",
		"{A} [has|owns|keeps] {k n} as well.",
		"In another [house|street|town], {A} has {k n}.",
	)

	// Short statements of the terse style.
	terseStarts    = newBank("terse start", "{A} has {k n}.")
	terseGains     = newBank("terse gain", "{A} [buys|gets|finds] {k n}. => [buying|getting|finding] {k n}")
	terseLosses    = newBank("terse lose", "{A} [sells|loses|eats] {k n}. => [selling|losing|eating] {k n}")
	terseTimes     = newBank("terse times", "Then {A} has {d} times as many. => reaching {d} times as many")
	terseShares    = newBank("terse share", "{A} keeps one of {d} equal parts. => keeping one of {d} equal parts")
	terseQuestions = newBank("terse question", "How many {n} does {A} have now?")
)
