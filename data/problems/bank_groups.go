package problems

// Wordings of groups: things in containers somewhere. {W} is the place ("The
// toy shop"), {w} the same inside a sentence, {g c} the containers, {c} one of
// them, {m n} what each holds.
var (
	groupWordings = newBank("group",
		"{W} has {g c} with {m n} in each.",
		"{W} [keeps|stores] {g c}, and each {c} holds {m n}.",
		"There are {g c} with {m n} each at {w}.",
		"At {w}, {m n} are in each of {g c}.",
		"{W} [buys|receives|orders] {g c} of {m n} each.",
		"Each {c} at {w} holds {m n}, and there are [{g c}|exactly {g c}].",
		"At {w} there are {g c}, each [of them|one|and every one] with {m n} inside.",
		"A {c} holds {m n}. {W} [has|owns] {g c}.",
	)
	looseWordings = newBank("loose",
		"There are also {k loose}.",
		"{W} also has {k loose}.",
		"[Besides|On top of that|In addition], {w} has {k loose}.",
		"Apart from these, {w} [has|owns|keeps] {k loose}.",
		"{k loose} [lie|are] [on a table|in a corner].",
		"{W} also [keeps|stores] {k loose} that are not packed.",
	)
	soldWordings = newBank("removed",
		"Then {k are} [sold|given away|thrown out]. => {k are} [sold|given away|thrown out]",
		"Later, {k are} [damaged|stolen|sent back]. => {k are} [damaged|stolen|sent back]",
		"[Customers|Visitors] take {k n}. => the [customers|visitors] take {k n}",
		"{W} [sells|gives away|loses] {k n}. => {k are} [sold|given away|lost]",
		"A [neighbor|club] buys {k n}. => the [neighbor|club] buys {k n}",
	)
	deliveredWordings = newBank("delivered",
		"Then {k more} [are|get] delivered. => {k more} [are|get] delivered",
		"A truck [brings|delivers] {k more}. => the truck [brings|delivers] {k more}",
		"{W} [buys|orders|receives] {k more}. => {w} [buys|orders|receives] {k more}",
		"Later, somebody [donates|brings] {k more}. => somebody [donates|brings] {k more}",
		"Then {k more} [come in|arrive|are added]. => {k more} [come in|arrive|are added]",
	)
	shelfWordings = newBank("put on shelves",
		"All of the {n} are [put|placed|arranged] evenly on {d} shelves.",
		"In the end, the {n} are [spread|divided] evenly over {d} shelves.",
		"Somebody [sorts|puts] the {n} onto {d} shelves, the same number on each.",
		"{d} shelves hold all of the {n}, [equally many on each|the same number on each].",
		"The {n} fill {d} shelves with [equally many|the same number] on each.",
		"At last, all {n} go onto {d} shelves in equal [numbers|parts].",
	)
	totalQuestions = newBank("question of a place",
		"How many {n} does {w} have [in total|altogether|in all]?",
		"How many {n} are there [in total|altogether|in all]?",
		"What is the total number of {n} at {w}?",
		"[Find|Work out|Calculate] how many {n} {w} has in total.",
		"Counting everything, how many {n} [are there|does {w} have]?",
	)
	endQuestions = newBank("question of a place after events",
		"How many {n} does {w} have [now|in the end|after all this|at the end]?",
		"How many {n} are there at {w} [in the end|after all this|now]?",
		"What is the final number of {n} at {w}?",
		"[Find|Work out|Calculate] how many {n} {w} has in the end.",
		"With how many {n} does {w} end up?",
	)
	shelfQuestions = newBank("question of a shelf",
		"How many {n} are on each shelf?",
		"How many {n} does each shelf [hold|have|carry]?",
		"What is the number of {n} [on each|per] shelf?",
		"How many {n} are there [per shelf|on one shelf|on every shelf]?",
		"[Find|Work out] the number of {n} on each shelf.",
		"With how many {n} is each shelf filled?",
	)
)

// Wordings of sharing: {E} is who shares ("Mrs. Green"), {r} those who get
// something ("children"), {r1} one of them.
var (
	stockWordings = newBank("to be shared",
		"{E} has {k n}.",
		"{E} [brings|buys|prepares] {k n} for the {r}.",
		"{E} has {k n} to [share|give away].",
		"There are {k n} [on the table|in the bag|in the box] of {E}.",
		"{E} [gets|collects|sets aside] {k n} for the {r}.",
	)
	stockMoreWordings = newBank("more to be shared",
		"{S} [adds|buys|gets] {k more}. => [adding|buying|getting] {k more}",
		"Then {s} [finds|receives] {k more}. => [finding|receiving] {k more}",
		"A friend [gives|brings|sends] {him} {k more}. => getting {k more} from a friend",
		"{S} also [takes|orders] {k more}. => [taking|ordering] {k more}",
		"Somebody else [offers|donates] {k more}. => accepting {k more}",
	)
	stockLessWordings = newBank("fewer to be shared",
		"{S} [keeps|hides|puts aside] {k n} for later. => [keeping|hiding|putting aside] {k n}",
		"Sadly, {k are} [lost|dropped|spoiled]. => [losing|dropping|throwing out] {k n}",
		"{S} [gives|hands] {k n} to a friend. => [giving|handing] {k n} to a friend",
		"Then {s} [loses|sells] {k n}. => [losing|selling] {k n}",
		"A friend [takes|asks for] {k n}. => [losing|giving] {k n} to a friend",
	)
	dealWordings = newBank("shared equally",
		"{S} [shares|divides|splits] the {n} equally {among} {d} {r}.",
		"The {n} are [shared|divided|split] equally {among} {d} {r}.",
		"Then {s} [gives|hands] each of the {d} {r} the same number of {n}, until none are left.",
		"{d} {r} get all of the {n}, each [equally many|the same number].",
		"All of the {n} go to {d} {r} in equal [parts|shares].",
	)
	eachLosesWordings = newBank("each loses",
		"Each of the {r} [gives away|loses|uses up] {k n}. => each {r1} [gives away|loses|uses up] {k n}",
		"Every {r1} [gives|hands|passes] {k n} to a friend. => every {r1} [gives away|hands on|passes on] {k n}",
		"Then each {r1} [trades|swaps] {k n} for a toy. => each {r1} [trades|swaps] {k n}",
		"Each {r1} [puts|lays] {k n} aside. => each {r1} [puts|lays] {k n} aside",
		"Soon every {r1} has {k fewer} than [before|at first]. => every {r1} [loses|gives up] {k n}",
	)
	eachGainsWordings = newBank("each gains",
		"Each of the {r} [finds|gets|buys] {k more}. => each {r1} [finds|gets|buys] {k more}",
		"Every {r1} [receives|gets|wins] {k more} [from a friend|as a present|in a game]. => every {r1} [receives|gets|wins] {k more}",
		"Then each {r1} [wins|picks up] {k more}. => each {r1} [wins|picks up] {k more}",
		"Each {r1} [adds|takes] {k more}. => each {r1} [adds|takes] {k more}",
		"Somebody [gives|brings] every {r1} {k more}. => every {r1} gets {k more}",
	)
	eachQuestions = newBank("question of each",
		"How many {n} does each {r1} have [now|in the end|at the end]?",
		"How many {n} does every {r1} [have|end up with]?",
		"What is the number of {n} that each {r1} [has|ends up with]?",
		"With how many {n} does [each|every] {r1} end up?",
		"[Find|Work out|Calculate] how many {n} each {r1} has in the end.",
	)
	allQuestions = newBank("question of all",
		"How many {n} do the {d} {r} have [altogether|in total|in all|together]?",
		"What is the [total|combined] number of {n} that the {d} {r} have now?",
		"How many {n} do all {d} {r} have [together|combined] now?",
		"Counting all {d} {r}, how many {n} are there [now|in total]?",
		"[Find|Work out] how many {n} the {d} {r} have together.",
	)
)
