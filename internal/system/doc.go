// Package system has the tests of the whole path: the real programs, started as an operator starts them, with a terminal
// that does what a browser does, on the embedded Redis and on a server, with one broker and with three.
//
// Nothing in here reaches into a program: what is tested is what terminals, edges and operators see. Tests are named by
// the requirements that they show (A1 to A15, B8). Each sentence of a requirement, and the tests that show it; those without a
// folder are here:
//
//	A1  five task types                       TestA1EveryTypeIsDone; edge-renderer/compute TestA1EveryComputeType
//	    type filters first, then distance     TestA1TaskTypesAreAFilter; cloud-broker/placement TestA1TypeIsAFilterFirst,
//	                                          TestA1DistanceDecidesAmongTheFreeOfAType
//	    the terminal derives it beforehand    TestA2EdgeFirst (its list of edges is of one type)
//	    the cloud does when it is asked       TestA1TaskTypesAreAFilter
//	    the edge checks it with the data      edge-renderer/agent TestA1EdgeChecksTheType
//	A2  nearest of the type first, no data    TestA2EdgeFirst; internal/terminal TestA2EdgeFirst, TestA2EdgeIsFoundInTheLocalNetwork
//	    identity and kind of the request      TestA2TheRequestCarriesIdentityAndKind
//	    a free edge accepts, then the data    TestA2EdgeFirst; edge-renderer/agent TestA2FreeEdgeAccepts; cloud-broker TestA2*
//	A3  LAN address, configuration, ping      TestA3Distance; cloud-broker/placement TestA3DistanceFromTheStrongestBasis;
//	                                          cloud-broker/sites TestA3TerminalsAreFoundByAddress; cloud-broker TestA3*
//	    nearer than the cloud                 TestA3Distance; cloud-broker/placement TestA3OnlyWhatIsNearerThanTheCloudIsAnEdge
//	A4  a busy edge sends the request on      TestA4BusyEdge; edge-renderer/agent TestA4BusyEdgeForwards
//	    another edge, the terminal answered   TestA4BusyEdge; cloud-broker TestA4ABusyEdgeSendsTheRequestOn
//	    data straight there, no second asking TestA4BusyEdge
//	    the first edge dies                   TestA4BusyEdge; cloud-broker TestA4EventsAtAnyBroker
//	A5  cloud first, nearest free             TestA5BrokerFirstTakesTheNearestFreeEdge; cloud-broker TestA5*
//	    it knows every edge                   TestA5AnyBrokerAnswers
//	A6  what the instruction says             cloud-broker TestA6TheInstructionNamesTerminalTaskAndType
//	    hold, wait for that terminal          TestA6GrantOnlyAfterTheEdgeConfirmed; edge-renderer/session TestA6*, seat TestA6OneTerminalHasThePlace
//	    the terminal does not come            TestA11ComputeIsResidentAndRenderingIsReleased; edge-renderer/session TestA6TerminalThatDoesNotCome
//	A7  a limit for the terminal              TestA7NoNodeBeyondTheLimit, TestA7LimitOfASite
//	    any edge within the range             TestA7NoNodeBeyondTheLimit; cloud-broker/placement TestA7TheLimitOfDistance
//	A8  no edge free: the cloud executes      TestA8CloudTierOnlyWhenNoEdgeIsFree, TestA14Order
//	    by the same rules, release included   TestA8CloudTierOnlyWhenNoEdgeIsFree, TestA9TheCloudDoesTheSame
//	    (our policy) data that stays          TestA8DataThatStays
//	A9  resident, allocate, defer, ask        TestA9Handling, TestA9Defer; edge-renderer/task TestA9*
//	    looked up when the data arrives       edge-renderer/task TestA9HandlingIsLookedUpWhenTheDataArrives
//	    the cloud for its own                 TestA9TheCloudDoesTheSame
//	    configured beforehand                 TestA9Handling; cloud-broker TestA9HandlingIsShown
//	A10 by hand, by configuration             TestA10FitByConfiguration; cloud-broker TestA10AnOperatorSaysWhatANodeOffers
//	    from history                          cloud-broker TestA10WhatEndedTasksHaveShown; cloud-broker/placement TestA10HistoryRefinesTheOrder;
//	                                          cloud-broker/pool TestA10Experience
//	A11 compute is resident                   TestA11ComputeTasksLeaveTheWorkersAlone; edge-renderer/task TestA11ComputeIsResident
//	    rendering from its start to its end   TestA11ComputeIsResidentAndRenderingIsReleased
//	    (a) "Done"                            the same; web/e2e; edge-renderer/session TestA11FinishReleases
//	    (b) no new data for a time            the same; edge-renderer/session TestA11PageCloseAndIdleTimeoutRelease
//	A12 the edge keeps up                     TestA12ShadowTakesOver; edge-renderer/session TestA12ShadowHasTheViewInStep
//	    taking over fetches nothing           edge-renderer/session TestA12FirstPictureAfterTakingOver
//	    off on fast networks                  TestA12WithoutAShadow; cloud-broker TestA12ShadowsAreOffOnFastNetworks
//	A13 local first, and why not              TestA13LocalFirst; internal/terminal TestA13ComputeOnTheTerminalItself
//	A14 S101 to S116, answers by name         TestA14Order, TestA14AnswersAreNamed, TestA14RequestsThatAreAskedAgain
//	A15 compute: data in, result out          TestA1EveryTypeIsDone, TestA15InputThatIsNoInput; edge-renderer/compute TestA15*
//	    rendering: image data, images out     TestA14SessionFromTheListOfStudiesToItsEnd, TestA14Order
//
//	B8  pause, save, resume elsewhere         TestB8ComputeTaskMovesMidWay; edge-renderer/task TestB8OperationsGoOnFromTheirCheckpoint;
//	                                          edge-renderer/compute TestB8ComputeTask*
//	    a session: make before break          TestB8MoveByHand, TestB8TwentyMovesInARow, TestB8ThreeBrokers; edge-renderer/session
//	                                          TestB8SessionMovesWhileTheHandMoves, TestB8TargetHasTheViewOfTheSource
//	    time run, time left, use, need        cloud-broker/defrag TestB8RunInformation, TestB8TargetsFreeTotalIsTestedAgainstTheNeed;
//	                                          edge-renderer/session TestB8IdleTimeGoesOnOverAMove
//	    waits, another target, gives up       cloud-broker/defrag TestB8WaitsAndReadsAgain, TestB8WaitIsAtLeastTheTargetsCirculationPeriod,
//	                                          TestB8StopsAtWg, TestB8ChoosesAnotherTargetAtWg
//	    reserved first, released last         cloud-broker TestB8AMoveReservesFirstHandsOverAndReleasesLast
//	    given up: it is where it was          TestB8TargetThatDies; edge-renderer/session TestB8MoveThatFailsLeavesTheSessionWhereItWas;
//	                                          edge-renderer/compute TestB8ComputeTaskThatStaysGoesOn
//	    drained, lost                         TestB8DrainMovesTheSession, TestB8EdgeKilledWithoutWarning,
//	                                          TestB8ShadowTakesOverWithoutWarning; cloud-broker TestB8Drain*, TestB8ALostNode*
//
// What edges, terminals and requests must not be is in badinput_test.go, identity_test.go and messages_test.go, the queue
// in places_test.go, what happens when something dies in outage_test.go and, at random, in internal/chaos.
package system
